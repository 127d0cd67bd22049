export { compact, exactToken, layeredToken, normalise } from "./blind-index.ts";
export {
  BOX_OVERHEAD_BYTES,
  type BoxContext,
  openBox,
  readBoxHeader,
  type SubjectKey,
  sealBox,
} from "./box.ts";
export { lengthPrefixed } from "./bytes.ts";
export { canonicalJson, type Json } from "./canonical-json.ts";
export { createOpenStream, createSealStream } from "./chunked.ts";
export { CHUNK_BYTES, fileContext } from "./chunked-format.ts";
export { authenticatedSize, openRange } from "./chunked-range.ts";
export { DerivingKey } from "./deriving-key.ts";
export {
  type ErasureEntry,
  erasureHash,
  erasureStatement,
  isErasureLedger,
  isSignedErasure,
  type SignedErasure,
} from "./erasure-ledger.ts";
export * from "./errors.ts";
export { type FernetOptions, type OpenedFernet, openFernet } from "./fernet.ts";
export { keyedHash } from "./keyed-hash.ts";
export { paddedJson, paddedLength, paddedLengths } from "./padding.ts";
export { type ByteSource, type ByteTarget, openFile, type SealedFile, sealFile } from "./sealed-file.ts";
export {
  type Ed25519PublicJwk,
  generateSeed,
  privateKeyOf,
  publicJwkOf,
  publicKeyOf,
  signEd25519,
  statement,
  thumbprintOf,
  verifyEd25519,
} from "./signatures.ts";
export { contentHashOf, recordStatement } from "./signed-record.ts";
export {
  DEFAULT_DIGEST,
  DIGESTS,
  type Digest,
  parseDigest,
  parseSuite,
  SUITES,
  type Suite,
} from "./suites.ts";
export { readWrappedKeyHeader, unwrapKey, type WrappingKey, wrapKey } from "./wrap.ts";
