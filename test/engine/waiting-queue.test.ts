import { describe, expect, it } from 'vitest';
import type { EngineRequest } from '../../sim/domain/engine.ts';
import { Sequence } from '../../sim/engine/sequence.ts';
import { WaitingQueue } from '../../sim/engine/waiting-queue.ts';

describe('requests that wait unread', () => {
	it('become sequences when they are at the head, behind those put back', () => {
		const { queue, read } = queueOf(200);
		expect(queue.size).toBe(200);
		expect(read).toEqual([]);
		const first = queue.peek() as Sequence;
		expect(read).toEqual(['0']);
		queue.shift();
		expect(queue.peek()?.id).toBe('1');
		queue.putBack(first);
		expect(queue.size).toBe(200);
		const order: string[] = [];
		for (let head = queue.peek(); head !== undefined; head = queue.peek()) {
			order.push(head.id);
			queue.shift();
		}
		expect(order).toEqual(Array.from({ length: 200 }, (_, id) => String(id)));
		expect(read).toEqual(order);
		expect(queue.size).toBe(0);
	});

	it('are read once, in order, when somebody asks for all of them', () => {
		const { queue, read } = queueOf(100);
		for (let taken = 0; taken < 70; taken++) {
			queue.peek();
			queue.shift();
		}
		const left = queue.all();
		expect(left.map(({ id }) => Number(id))).toEqual(Array.from({ length: 30 }, (_, index) => 70 + index));
		queue.remove(left[0] as Sequence);
		expect(queue.peek()).toBe(left[1]);
		expect(queue.size).toBe(29);
		expect(read.length).toBe(100);
	});
});

function queueOf(count: number): { queue: WaitingQueue; read: string[] } {
	const read: string[] = [];
	const queue = new WaitingQueue('fcfs', (request) => {
		read.push(request.id);
		return new Sequence(request, read.length, 0, 1000, null);
	});
	for (let id = 0; id < count; id++) queue.addUnread(request(String(id)));
	return { queue, read };
}

function request(id: string): EngineRequest {
	return { id, promptTokens: 5, outputTokens: 3, endsByStop: true, maxOutputTokens: 9, priority: 0 };
}
