"""Prints what a vLLM wheel requires, one requirement a line, without its extras and without torch and what comes with it.

The wheel asks for a torch by name and version that its maker had; the CPU build of the same version is installed beforehand.
"""

import re
import sys
import zipfile
from email.parser import Parser


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    for requirement in metadata.get_all("Requires-Dist", []):
        if "extra ==" in requirement or re.match(r"(torch|torchvision|torchaudio|torchcodec)\b(?!-)", requirement):
            continue
        print(requirement)


main(sys.argv[1])
