import { present } from '../../sim/domain/errors.ts';
import { type Piece, piecesOf } from './curve.ts';
import type { CurveInstance } from './instance.ts';

/** What one worker may do: one session on one piece of each of these experts' curves, all of them within the deadline. */
export interface Pattern {
	/** Index into the instance's types. */
	readonly type: number;
	readonly members: readonly PatternMember[];
	/** Calls of the members at the corners of what fits: every mix that fits lies below an average of corners. */
	readonly corners: readonly (readonly number[])[];
}

export interface PatternMember {
	readonly expert: number;
	readonly piece: Piece;
}

/**
 * All patterns within a deadline that no other pattern makes superfluous. With curves replaced by their pieces, some workers of one
 * pattern serve x calls of its members within the deadline just when x lies below an average of corners, times the workers: pieces are
 * convex, so equal parts are as good as any.
 * @returns null when they have more than `mostCorners` corners
 */
export function patternsWithin(
	instance: CurveInstance,
	deadlineSeconds: number,
	toleranceSeconds: number,
	mostCorners: number,
): readonly Pattern[] | null {
	const { experts, types, maxModelsPerWorker } = instance;
	const patterns: Pattern[] = [];
	let cornerCount = 0;
	for (let type = 0; type < types.length; type++) {
		const pieces = experts.map(({ curves }) => {
			const curve = curves[type] ?? null;
			return curve === null ? [] : piecesOf(curve, deadlineSeconds, toleranceSeconds);
		});
		const members: PatternMember[] = [];
		const extend = (from: number, leftSeconds: number, hasWider: boolean): boolean => {
			for (let expert = from; expert < experts.length; expert++) {
				const own = pieces[expert] ?? [];
				for (const [i, piece] of own.entries()) {
					const left = leftSeconds - (piece.seconds[0] ?? 0);
					if (left < 0) break;
					members.push({ expert, piece });
					const isWider = hasWider || i + 1 < own.length;
					const corners = cornersOf(members, deadlineSeconds);
					const isWholeBox = corners.length === 1 && isTop(members, corners[0] ?? []);
					// A pattern that reaches the end of a piece with time to spare is a corner of the one with the next piece.
					if (!(isWholeBox && isWider)) patterns.push({ type, members: [...members], corners });
					cornerCount += corners.length;
					if (cornerCount > mostCorners) return false;
					if (members.length < maxModelsPerWorker && !extend(expert + 1, left, isWider)) return false;
					members.pop();
				}
			}
			return true;
		};
		if (!extend(0, deadlineSeconds, false)) return null;
	}
	return patterns;
}

/** All members but one stand at a point of their piece; that one takes what time is left. */
function cornersOf(members: readonly PatternMember[], deadlineSeconds: number): number[][] {
	const least = members.reduce((sum, { piece }) => sum + (piece.seconds[0] ?? 0), 0);
	const corners: number[][] = [];
	const calls = members.map(() => 0);
	let hasTop = false;
	const stand = (index: number, flexible: number, leftSeconds: number, isAllTop: boolean): void => {
		if (index === members.length) {
			const { piece } = present(members[flexible], 'member');
			const most = callsAlong(piece, leftSeconds);
			const isTopToo = most === piece.calls.at(-1);
			if (isTopToo && isAllTop) {
				if (hasTop) return;
				hasTop = true;
			}
			// With time left over, a later member takes more: this is not a corner.
			else if (isTopToo) return;
			calls[flexible] = most;
			corners.push([...calls]);
			return;
		}
		if (index === flexible) {
			stand(index + 1, flexible, leftSeconds, isAllTop);
			return;
		}
		const { piece } = present(members[index], 'member');
		const spare = (piece.seconds[0] ?? 0) + leftSeconds;
		for (let i = 0; i < piece.calls.length; i++) {
			const seconds = piece.seconds[i] ?? 0;
			// `leftSeconds` keeps the least of every member that has not been placed yet.
			if (seconds > spare + 1e-12 * deadlineSeconds) break;
			calls[index] = piece.calls[i] ?? 0;
			stand(index + 1, flexible, spare - seconds, isAllTop && i === piece.calls.length - 1);
		}
	};
	for (let flexible = 0; flexible < members.length; flexible++)
		stand(0, flexible, deadlineSeconds - least, true);
	return corners;
}

/** Most calls on a piece in its least seconds and so many more. */
function callsAlong({ calls, seconds }: Piece, moreSeconds: number): number {
	const limit = (seconds[0] ?? 0) + moreSeconds;
	for (let i = 1; i < calls.length; i++) {
		const [x0 = 0, x1 = 0, y0 = 0, y1 = 0] = [calls[i - 1], calls[i], seconds[i - 1], seconds[i]];
		if (y1 > limit) return y1 === y0 ? x1 : x0 + ((x1 - x0) * Math.max(0, limit - y0)) / (y1 - y0);
	}
	return calls.at(-1) ?? 0;
}

const isTop = (members: readonly PatternMember[], corner: readonly number[]): boolean =>
	members.every(({ piece }, i) => corner[i] === piece.calls.at(-1));
