export { BoxRefused, exactToken, keyedHash, trigramQueryTokens, trigramTokens } from "@medvault/crypto";
export type { IndexKind, MaskKind, TableDeclaration } from "./declaration.ts";
export {
  createDurably,
  type FileOptions,
  makeDirectoryDurably,
  syncDirectory,
  writeDurably,
} from "./durable-file.ts";
export { envKeyProvider } from "./env-provider.ts";
export * from "./errors.ts";
export { combineShares, type Share, splitFiles } from "./escrow.ts";
export { fileKeyProvider } from "./file-provider.ts";
export { generateKeyFile } from "./generate.ts";
export {
  type Answer,
  cleanIdempotencyKeys,
  type IdempotentAnswer,
  type IdempotentRequest,
  idempotent,
} from "./idempotent.ts";
export {
  type RebuildOptions,
  type RebuildResult,
  type RebuildStep,
  rebuildIndexes,
} from "./index-rebuild.ts";
export { type IndexQuery, LiveIndexes } from "./index-rebuild-live.ts";
export { type IndexKeys, type IndexTokens, tokenColumns } from "./indexes.ts";
export type { VaultPlace } from "./key-document.ts";
export { type KeyFile, noteEscrow, readKeyFile } from "./key-file.ts";
export { createKeyring, Keyring, type KeyringOptions } from "./keyring.ts";
export { maskEdges } from "./mask.ts";
export { runFinalRotation } from "./operations/final-rotation.jobs.ts";
export { heldUpBy } from "./operations/final-rotation.store.ts";
export { FINAL_WITHIN_MS } from "./operations/final-rotation.ts";
export { startFinalRotation } from "./operations/final-rotation-loop.ts";
export { type ResealedRow, type ResealOptions, type ResealResult, reseal } from "./operations/reseal.ts";
export { type RewrapOptions, type Rewrapped, rewrap } from "./operations/rewrap.ts";
export {
  type Audit,
  destroyVersion,
  type KeyPlace,
  type Need,
  retireVersion,
  rotateServiceKey,
} from "./operations/service-key.ts";
export { markShredsFinal, openShreds, shred, shredSubject } from "./operations/shred.ts";
export {
  closedVersion,
  countInBackups,
  countWrapped,
  type WrappedCounts,
} from "./operations/wrapped-keys.store.ts";
export { applyPolicy, type DeploymentPolicy, type PolicyOptions, type PolicyTable } from "./policy.ts";
export type { KeyProvider, ServiceKeyState, ServiceKeyVersion } from "./provider.ts";
export { closeSealPool } from "./seal-pool.ts";
export {
  type Sealed,
  type SealedRow,
  type SealedTable,
  type SealItem,
  sealedTable,
} from "./sealed-table.ts";
export { indexKey, tableKey } from "./service-keys.ts";
export {
  type PublicSigningKey,
  rotateSigningKey,
  type SigningKey,
  signingKey,
  signingKeys,
} from "./signing-keys.ts";
export {
  createSubjectKey,
  createSubjectKeys,
  deriveSubjectKey,
  findSubjectKeys,
  insertSubjectKeys,
  isKeyOutdated,
  newSubjectKey,
} from "./subject-keys.ts";
export type { TokenTable } from "./token-chain.store.ts";
export { addTokenLayer, type LayerOptions, TokenChain } from "./token-chain.ts";
export { type TokenLife, TransitFault, tokenLife } from "./vault-client.ts";
export { moveKeysToVault } from "./vault-document.ts";
export { vaultKeyProvider } from "./vault-provider.ts";
