export { createGate, gateNames } from './gates.ts';
