// What operators' commands use besides what services do: @medvault/keys/operations.

export { holdsKeys } from "../keyring/known-keys.store.ts";
export { type KeyDocument, readKeyDocument, type VaultPlace } from "../providers/key-document.ts";
export { changeKeyFile, readKeyFile } from "../providers/key-file.ts";
export { keyIdIn } from "../providers/key-id.ts";
export { TransitFault, tokenLife } from "../providers/vault.client.ts";
export { findUnopenable, type Unopenable } from "../rotation/check-keys.ts";
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
export { type Joined, joinDocuments } from "./join.ts";
export { putBack } from "./put-back.ts";
export { type ResealedRow, type ResealOptions, reseal } from "./reseal.ts";
export { openSamples, type Sample } from "./sealed-rows.store.ts";
export { addTokenLayer, type LayerOptions } from "./token-layers.ts";
export { moveKeysToVault } from "./vault-move.ts";
