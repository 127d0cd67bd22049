#!/usr/bin/env node
// Checks the receipt of an erasure, away from MedVault: this file and verify-proof.mjs beside it, for
// Node 20 or newer, and no code shared with the service that signed it (libs/crypto/FORMATS.md).
import { createHash, createPublicKey, verify } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readKey, verifyInclusion } from "./verify-proof.mjs";

const HELP = `Check the receipt of an erasure, offline.

  node verify-receipt.mjs --key <vkey> [--patient <id>] [receipt.json]
      Was the patient erased, as entry of the signed ledger and in the audit log?
      The receipt is the answer of GET /v1/patients/{id}/erasure/receipt, from a
      file or from standard input. Keep verify-proof.mjs in the same folder.

  --key <vkey>      the audit log's public key, name+id+base64, or a file that holds it.
                    Get it from whom you trust, not from whom you check.
  --origin <name>   the log that the checkpoint must name (default: the key's name)
  --patient <id>    the id that the receipt must be about
  --json            one line of JSON instead of words
  --help            this text

Exit codes: 0 the receipt holds, 1 it does not, 2 nothing was checked (unreadable input, wrong use).`;

/** The receipt does not hold: exit code 1. */
class NotValid extends Error {}
/** There was nothing to check: exit code 2. */
class NotChecked extends Error {}

const must = (holds, words) => {
  if (!holds) throw new NotValid(words);
};
const sha256 = (text, encoding) => createHash("sha256").update(text).digest(encoding);

/** The JSON of a signed text, once its signature and purpose are checked. */
function signedJson(signed, key, purpose, what) {
  must(typeof signed?.statement === "string" && typeof signed.signature === "string", `there is no ${what}`);
  const signature = Buffer.from(signed.signature, "base64");
  must(
    signature.toString("base64") === signed.signature,
    `the signature of ${what} is not well-formed base64`,
  );
  must(
    verify(null, Buffer.from(signed.statement), key, signature),
    `the signature of ${what} is false: it was forged or changed`,
  );
  const value = JSON.parse(signed.statement);
  must(value?.purpose === purpose, `${what} was signed for another purpose`);
  return value;
}

/** Checks a receipt as the API returns it; gives what it shows, throws NotValid. */
export function verifyReceipt(shown, logKey, origin, patientId) {
  must(shown.format === "medvault-erasure-receipt/1", "the format is not one that this program knows");
  const { kty, crv, x } = shown.publicKey ?? {};
  must(kty === "OKP" && crv === "Ed25519", "the key of the ledger is not an Ed25519 key");
  const key = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  const entry = signedJson(shown.entry, key, "medvault/erasure-ledger/v1", "the ledger's entry");
  const receipt = signedJson(shown.receipt, key, "medvault/erasure-receipt/v1", "the receipt");
  const entrySha256 = sha256(shown.entry.statement, "hex");
  must(receipt.entrySha256 === entrySha256, "the receipt is about another entry of the ledger");
  must(receipt.number === entry.number, "the receipt has another number than the entry");
  // The key counts because the log names it, and the log because its own key is known.
  const { facts } = verifyInclusion(shown.proof, logKey, origin);
  const { type, data } = facts.event;
  must(type === "medvault.records.patient.erased.v1", "the audit event is not one of an erasure");
  must(data?.outcome === "success", "the audit event is of an erasure that did not happen");
  must(data.details?.entrySha256 === entrySha256, "the audit event names another entry of the ledger");
  const thumbprint = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`, "base64url");
  must(data.details.keyId === thumbprint, "the audit event names another key of the ledger");
  if (patientId !== undefined)
    must(entry.patientIds.includes(patientId), `the receipt is about another patient than ${patientId}`);
  const keys = receipt.keysDestroyedAt
    ? `no copy of a key opens since ${receipt.keysDestroyedAt}`
    : "old copies of keys were still to be destroyed when it was issued: ask for it again after a day";
  return {
    words: `patient ${entry.patientIds.join(", ")} was erased on ${entry.erasedAt}, as number ${entry.number} of the ledger and entry ${facts.leafIndex} of the log "${facts.origin}"; ${Object.keys(receipt.confirmedAt).sort().join(", ")} have confirmed; ${keys}`,
    facts: { ...receipt, patientIds: entry.patientIds, erasedAt: entry.erasedAt, ...facts, event: undefined },
  };
}

function readInput(path) {
  try {
    return readFileSync(path === undefined || path === "-" ? 0 : path, "utf8");
  } catch {
    throw new NotChecked(path ? `there is no file ${path}, or not for you` : "standard input is empty");
  }
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object") return value;
  } catch {
    // Said below.
  }
  throw new NotChecked("the receipt is not JSON");
}

function run(args) {
  const text = { type: "string" };
  const flags = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } };
  const options = { key: text, origin: text, patient: text, ...flags };
  let given;
  try {
    given = parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw new NotChecked(error.message);
  }
  const { values, positionals } = given;
  if (values.help) return null;
  if (positionals.length > 1) throw new NotChecked("give one receipt at a time");
  if (!values.key) throw new NotChecked("give the log's public key with --key");
  const key = readKey(existsSync(values.key) || !/[+]/.test(values.key) ? readInput(values.key) : values.key);
  return verifyReceipt(parsed(readInput(positionals[0])), key, values.origin ?? key.name, values.patient);
}

function main(args) {
  const json = args.includes("--json");
  const say = (valid, words, facts = {}) => {
    const line = json ? JSON.stringify({ valid, reason: words, ...facts }) : words;
    (valid || json ? process.stdout : process.stderr).write(`${line}\n`);
  };
  try {
    const result = run(args);
    if (result === null) process.stdout.write(`${HELP}\n`);
    else say(true, json ? result.words : `VALID: ${result.words}.`, result.facts);
    return 0;
  } catch (error) {
    // What verify-proof.mjs finds is said by its own classes, by the same names.
    const kind = error.constructor.name;
    const words =
      kind === "NotValid" || kind === "NotChecked" ? error.message : "this is no receipt that can be read";
    const isChecked = kind === "NotValid";
    say(isChecked ? false : null, json ? words : `${isChecked ? "NOT VALID" : "NOT CHECKED"}: ${words}.`);
    return isChecked ? 1 : 2;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
