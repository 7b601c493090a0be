export { createGate, gateNames } from './gates.ts';
export { createSetupGate } from './setup-gate.ts';
