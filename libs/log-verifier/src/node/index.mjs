// What only Node has: a faster engine, a store outside the database as source, what a verifier
// keeps.
export { dumpSource } from "./dump-source.mjs";
export { nodeEngine } from "./engine.mjs";
export { openState } from "./state.mjs";
