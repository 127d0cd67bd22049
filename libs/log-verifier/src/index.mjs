/** @typedef {import("./engine.mjs").Engine} Engine */
/** @typedef {import("./verify.mjs").Report} Report */
/** @typedef {import("./verify.mjs").Source} Source */
// The checks for Node and browsers alike: no dependency, no code of the log's writer.
export { base64Of, bytesOf, printable, utf8 } from "./bytes.mjs";
export { webEngine } from "./engine.mjs";
export { verifyExport } from "./export.mjs";
export { httpSource } from "./http-source.mjs";
export { openCheckpoint, readKey } from "./note.mjs";
export { isExtension } from "./tree.mjs";
export { NotChecked, verifyLog } from "./verify.mjs";
