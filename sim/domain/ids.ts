/** Branded identifiers: a string that cannot be passed where another kind of id is expected. */
type Brand<Kind extends string> = string & { readonly __kind: Kind };

export type ModelId = Brand<'model'>;
export type GpuId = Brand<'gpu'>;
export type HostId = Brand<'host'>;
export type ReplicaId = Brand<'replica'>;
export type QueryId = Brand<'query'>;
export type CallId = Brand<'call'>;

export const modelId = (text: string): ModelId => text as ModelId;
export const gpuId = (text: string): GpuId => text as GpuId;
export const hostId = (text: string): HostId => text as HostId;
export const replicaId = (text: string): ReplicaId => text as ReplicaId;
export const queryId = (text: string): QueryId => text as QueryId;
export const callId = (text: string): CallId => text as CallId;

/** Id of the call that answers slot `slotIndex` of a query, e.g. `q17/0`. */
export const expertCallId = (query: QueryId, slotIndex: number): CallId => callId(`${query}/${slotIndex}`);

/** Id of a query's aggregator call, e.g. `q17/agg`. */
export const aggregatorCallId = (query: QueryId): CallId => callId(`${query}/agg`);
