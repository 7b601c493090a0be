import { createHash } from 'node:crypto';
import type { ReplicaProfile } from '../../sim/domain/model.ts';

/** The release whose face this is. */
export const VLLM_VERSION = '0.32.0';

/** What answers carry to tell configurations apart. @source vllm/entrypoints/serve/utils/fingerprint.py (0.32.0), mode `full` */
export function systemFingerprint(profile: ReplicaProfile): string {
	const hash = createHash('sha256').update(JSON.stringify(profile)).digest('hex').slice(0, 8);
	const parallel = profile.tensorParallel > 1 ? `-tp${profile.tensorParallel}` : '';
	return `vllm-${VLLM_VERSION}${parallel}-${hash}`;
}
