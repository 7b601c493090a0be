export { createGate, gateNames } from './gates.ts';
export { countVotes, type Plurality, votePattern } from './votes.ts';
