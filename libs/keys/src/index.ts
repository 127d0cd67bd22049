export { exactToken } from "@medvault/crypto";
export * from "./errors.ts";
export { forgetAnswers } from "./forgotten-answers.ts";
export {
  answerToKeep,
  cleanIdempotencyKeys,
  type IdempotentAnswer,
  type IdempotentRequest,
  idempotent,
  keptCtes,
  replayHeaders,
} from "./idempotent.ts";
export { type IndexQuery, LiveIndexes } from "./indexes/live-indexes.ts";
export type { TokenTable } from "./indexes/token-chain.store.ts";
export { TokenChain } from "./indexes/token-chain.ts";
export type { Answer } from "./kept-answer.ts";
export { checkKeys, createKeyring, Keyring, type KeyringOptions, openKeyring } from "./keyring/keyring.ts";
export { indexKey, tableKey } from "./keyring/service-keys.ts";
export {
  type PublicSigningKey,
  rotateSigningKey,
  type SigningKey,
  signingKey,
  signingKeys,
} from "./keyring/signing-keys.ts";
export {
  createSubjectKey,
  createSubjectKeys,
  findSubjectKeys,
  insertSubjectKeys,
  isKeyOutdated,
  newSubjectKey,
} from "./keyring/subject-keys.ts";
export {
  createDurably,
  makeDirectoryDurably,
  probeDirectory,
  syncDirectory,
  writeDurably,
} from "./providers/durable-file.ts";
export type { KeyProvider } from "./providers/provider.ts";
export { runFinalRotation } from "./rotation/final-rotation.jobs.ts";
export { readKeyAges } from "./rotation/key-age.store.ts";
export { allFinalAt, eraseSubject, isAnyErased, shred } from "./rotation/shred.ts";
export { countInBackups } from "./rotation/wrapped-keys.store.ts";
export { type MaskKind, searchedFields, type TableDeclaration } from "./sealed-tables/declaration.ts";
export { maskEdges } from "./sealed-tables/mask.ts";
export { openBoxes } from "./sealed-tables/open-boxes.ts";
export { applyPolicy, type DeploymentPolicy, type PolicyTable } from "./sealed-tables/policy.ts";
export type { OpenJob } from "./sealed-tables/seal-codec.ts";
export { closeSealPool } from "./sealed-tables/seal-pool.ts";
export {
  type Sealed,
  type SealedRow,
  type SealedTable,
  type SealItem,
  sealedTable,
} from "./sealed-tables/sealed-table.ts";
export { type IndexTokens, tokenColumns } from "./sealed-tables/table-indexes.ts";
