import type { Executor, ReplicaStart } from '../../sim/core/executor.ts';
import type { CallId, ReplicaId } from '../../sim/domain/ids.ts';
import type { SleepLevel } from '../../sim/domain/model.ts';
import type { Call } from '../../sim/domain/work.ts';

/** One call of the Executor port, kept for later. */
export type Order =
	| { readonly kind: 'start'; readonly start: ReplicaStart }
	| { readonly kind: 'stop'; readonly replica: ReplicaId }
	| { readonly kind: 'sleep'; readonly replica: ReplicaId; readonly level: SleepLevel }
	| { readonly kind: 'wake'; readonly replica: ReplicaId }
	| { readonly kind: 'dispatch'; readonly call: Call; readonly replica: ReplicaId }
	| { readonly kind: 'cancel'; readonly call: CallId }
	| { readonly kind: 'park'; readonly call: CallId }
	| { readonly kind: 'migrate'; readonly call: CallId; readonly to: ReplicaId };

/** Takes the controller's orders down, so that they can be written before they are carried out, or compared with what was written. */
export class OrderBook implements Executor {
	private orders: Order[] = [];

	/** What was ordered since the last look. */
	take(): readonly Order[] {
		const { orders } = this;
		this.orders = [];
		return orders;
	}

	start(start: ReplicaStart): void {
		this.orders.push({ kind: 'start', start });
	}

	stop(replica: ReplicaId): void {
		this.orders.push({ kind: 'stop', replica });
	}

	sleep(replica: ReplicaId, level: SleepLevel): void {
		this.orders.push({ kind: 'sleep', replica, level });
	}

	wake(replica: ReplicaId): void {
		this.orders.push({ kind: 'wake', replica });
	}

	dispatch(call: Call, replica: ReplicaId): void {
		this.orders.push({ kind: 'dispatch', call, replica });
	}

	cancel(call: CallId): void {
		this.orders.push({ kind: 'cancel', call });
	}

	park(call: CallId): void {
		this.orders.push({ kind: 'park', call });
	}

	migrate(call: CallId, to: ReplicaId): void {
		this.orders.push({ kind: 'migrate', call, to });
	}
}

export function carryOut(order: Order, executor: Executor): void {
	switch (order.kind) {
		case 'start':
			executor.start(order.start);
			break;
		case 'stop':
			executor.stop(order.replica);
			break;
		case 'sleep':
			executor.sleep(order.replica, order.level);
			break;
		case 'wake':
			executor.wake(order.replica);
			break;
		case 'dispatch':
			executor.dispatch(order.call, order.replica);
			break;
		case 'cancel':
			executor.cancel(order.call);
			break;
		case 'park':
			executor.park(order.call);
			break;
		case 'migrate':
			executor.migrate(order.call, order.to);
			break;
	}
}

/** As it stands in the journal, e.g. `dispatch q3/1 s0-qwen3-8b` or `start s1-llama gpu2+gpu3`. */
export function orderText(order: Order): string {
	switch (order.kind) {
		case 'start':
			return `start ${order.start.replica} ${order.start.gpus.join('+')}`;
		case 'stop':
		case 'wake':
			return `${order.kind} ${order.replica}`;
		case 'sleep':
			return `sleep ${order.replica} ${order.level}`;
		case 'dispatch':
			return `dispatch ${order.call.id} ${order.replica}`;
		case 'park':
			return `park ${order.call}`;
		case 'migrate':
			return `migrate ${order.call} ${order.to}`;
		case 'cancel':
			return `cancel ${order.call}`;
	}
}
