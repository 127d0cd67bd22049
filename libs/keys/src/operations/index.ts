// What operators' commands use besides what services do: @medvault/keys/operations.

export type { VaultPlace } from "../providers/key-document.ts";
export { readKeyFile } from "../providers/key-file.ts";
export { TransitFault, tokenLife } from "../providers/vault.client.ts";
export { heldUpBy } from "../rotation/final-rotation.store.ts";
export { FINAL_WITHIN_MS } from "../rotation/final-rotation.ts";
export { type Rewrapped, rewrap } from "../rotation/rewrap.ts";
export {
  type Audit,
  destroyVersion,
  type KeyPlace,
  type Need,
  retireVersion,
  rotateServiceKey,
} from "../rotation/service-key.ts";
export { markShredsFinal, openShreds, shredSubject } from "../rotation/shred.ts";
export { closedVersion, countWrapped, type WrappedCounts } from "../rotation/wrapped-keys.store.ts";
export { combineShares, noteEscrow, splitFiles } from "./escrow.ts";
export { generateKeyFile } from "./generate.ts";
export { type RebuildOptions, type RebuildStep, rebuildIndexes } from "./index-rebuild.ts";
export { type ResealedRow, type ResealOptions, reseal } from "./reseal.ts";
export { addTokenLayer, type LayerOptions } from "./token-layers.ts";
export { moveKeysToVault } from "./vault-move.ts";
