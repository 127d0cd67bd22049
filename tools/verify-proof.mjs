#!/usr/bin/env node
// Checks what MedVault's audit log proves, away from MedVault: one file for Node 20 or newer, nothing
// to install, and no code shared with the service that made the proof. Formats: RFC 6962 (tree),
// RFC 8785 (canonical JSON), C2SP signed-note and tlog-checkpoint.
import { createHash, createPublicKey, verify } from "node:crypto";
import { existsSync, fstatSync, readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HELP = `Check a proof of the MedVault audit log, offline.

  node verify-proof.mjs --key <vkey> [proof.json]
      Is this event in the log? The proof is the answer of
      GET /v1/audit/events/{id}/proof, from a file or from standard input.

  node verify-proof.mjs consistency --key <vkey> [--from old.txt] [--to new.txt] [proof.json]
      Is the newer log the older one, with entries added only? The proof is the
      answer of GET /v1/audit/consistency; --from and --to are checkpoints that you
      saved (GET /v1/audit/checkpoint). Without them those in the answer are used.

  --key <vkey>     the log's public key, name+id+base64, or a file that holds it.
                   Get it from whom you trust, not from whom you check.
  --origin <name>  the log that the checkpoint must name (default: the key's name)
  --json           one line of JSON instead of words
  --help           this text

Exit codes: 0 the proof holds, 1 it does not, 2 nothing was checked (unreadable input, wrong use).`;

const INCLUSION_FIELDS = ["leafIndex", "leaf", "salt", "canonicalEvent", "treeSize", "checkpoint"];

/** The proof does not hold: exit code 1. */
class NotValid extends Error {}
/** There was nothing to check: exit code 2. */
class NotChecked extends Error {}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const node = (left, right) => sha256(Buffer.of(1), left, right);
const must = (holds, words) => {
  if (!holds) throw new NotValid(words);
};

/** Base64 in its one canonical spelling; anything else is not valid. */
function bytesOf(text, what, length) {
  const bytes = Buffer.from(String(text), "base64");
  must(bytes.toString("base64") === text, `${what} is not well-formed base64`);
  must(length === undefined || bytes.length === length, `${what} is not ${length} bytes long`);
  return bytes;
}

const hashesOf = (proof) => proof.hashes.map((hash, at) => bytesOf(hash, `hash ${at} of the proof`, 32));

/** Reads `name+hexid+base64(0x01 || Ed25519 key)`. */
export function readKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const typed = Buffer.from(rest.join("+"), "base64");
  if (!name || !id || typed.length !== 33 || typed[0] !== 1) {
    throw new NotChecked("the key is not an Ed25519 verifier key (name+id+base64)");
  }
  const expected = sha256(`${name}\n`, typed).subarray(0, 4);
  if (expected.toString("hex") !== id) throw new NotChecked("the key is damaged: its id is not its own");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), typed.subarray(1)]);
  return { name, id: expected, key: createPublicKey({ key: spki, format: "der", type: "spki" }) };
}

/** Size and root of a checkpoint, once its signature and origin are checked. */
export function readCheckpoint(note, key, origin, which = "the checkpoint") {
  const at = note.lastIndexOf("\n\n");
  must(at > 0 && note.endsWith("\n"), `${which} is not a signed note`);
  const text = note.slice(0, at + 1);
  const ours = note
    .slice(at + 2, -1)
    .split("\n")
    .map((line) => /^\u2014 (\S+) (\S+)$/u.exec(line))
    .filter((line) => line !== null && line[1] === key.name)
    .map((line) => bytesOf(line[2], `a signature of ${which}`))
    .filter((signature) => signature.subarray(0, 4).equals(key.id));
  must(ours.length > 0, `${which} is not signed by this key`);
  for (const signature of ours) {
    must(
      verify(null, Buffer.from(text), key.key, signature.subarray(4)),
      `the signature of ${which} is false: it was forged or changed`,
    );
  }
  const [named, sizeText, rootText, ...more] = text.split("\n");
  must(
    named === origin,
    `${which} is of another log: ${JSON.stringify(named)}, not ${JSON.stringify(origin)}`,
  );
  must(/^(0|[1-9]\d*)$/.test(sizeText ?? ""), `${which} has no tree size`);
  must(more.length >= 1 && more.at(-1) === "", `${which} has no root`);
  return {
    size: wholeNumber(Number(sizeText), `the size in ${which}`),
    root: bytesOf(rootText, `the root in ${which}`, 32),
  };
}

function wholeNumber(value, what) {
  must(Number.isSafeInteger(value) && value >= 0, `${what} is not a whole number`);
  return value;
}

/** RFC 8785 of what JSON.parse gives back, sorted by UTF-16 code units as the RFC wants. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** The root over leaves [from, to), with the proof's hashes in RFC 6962's order, from the last. */
function rootByPath(leaf, index, from, to, path) {
  if (to - from === 1) return leaf;
  const sibling = path.pop();
  must(sibling !== undefined, "the proof is too short for the leaf's place");
  const middle = from + powerBelow(to - from);
  return index < middle
    ? node(rootByPath(leaf, index, from, middle, path), sibling)
    : node(sibling, rootByPath(leaf, index, middle, to, path));
}

/** RFC 6962 2.1.1: requires that the leaf hash at `index` is in the tree (size, root). */
export function checkInclusion(leaf, index, size, root, hashes) {
  must(index < size, "the leaf lies beyond the checkpoint's tree");
  const path = [...hashes];
  const found = rootByPath(leaf, index, 0, size, path);
  must(path.length === 0, "the proof is too long for the leaf's place");
  must(
    found.equals(root),
    "the hashes do not lead to the signed root: the leaf is not in this log at this place",
  );
}

/** RFC 6962 2.1.2, SUBPROOF(m, D[n], whole): both roots that the proof leads to, from its end. */
function rootsByProof(m, n, whole, olderRoot, path) {
  if (m === n && whole) return { older: olderRoot, newer: olderRoot };
  const hash = path.pop();
  must(hash !== undefined, "the proof is too short");
  if (m === n) return { older: hash, newer: hash };
  const k = powerBelow(n);
  if (m <= k) {
    const left = rootsByProof(m, k, whole, olderRoot, path);
    return { older: left.older, newer: node(left.newer, hash) };
  }
  const right = rootsByProof(m - k, n - k, false, olderRoot, path);
  return { older: node(hash, right.older), newer: node(hash, right.newer) };
}

/** RFC 6962 2.1.2: requires that `newer` is the tree `older` with entries added at its end. */
export function checkConsistency(older, newer, hashes) {
  must(older.size > 0, "an empty log is a beginning of every log: this proves nothing");
  must(older.size <= newer.size, "the newer checkpoint has fewer entries than the older: the log was cut");
  const path = [...hashes];
  const found = rootsByProof(older.size, newer.size, true, older.root, path);
  must(path.length === 0, "the proof is too long");
  must(
    found.older.equals(older.root) && found.newer.equals(newer.root),
    "the newer log does not contain the older one as it was: its past was changed",
  );
}

function powerBelow(n) {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** Checks one inclusion proof as the API returns it; gives what it proves, throws NotValid. */
export function verifyInclusion(proof, key, origin) {
  const salt = bytesOf(proof.salt, "the salt", 32);
  const event = bytesOf(proof.canonicalEvent, "the event");
  const leaf = bytesOf(proof.leaf, "the leaf", 32);
  must(
    sha256(salt, event).equals(leaf),
    "the leaf is not SHA-256(salt + event): the event or its salt was changed",
  );
  const shown = parsedEvent(event);
  const checkpoint = readCheckpoint(String(proof.checkpoint), key, origin);
  const index = wholeNumber(proof.leafIndex, "the leaf's index");
  must(proof.treeSize === checkpoint.size, "the proof's tree size is not the one that was signed");
  checkInclusion(sha256(Buffer.of(0), leaf), index, checkpoint.size, checkpoint.root, hashesOf(proof));
  const named = `event ${shown.id} (${shown.type}, ${shown.time})`;
  return {
    words: `${named} is entry ${index} of the log "${origin}", whose signed checkpoint counts ${checkpoint.size}`,
    facts: { origin, leafIndex: index, treeSize: checkpoint.size, event: shown },
  };
}

function parsedEvent(bytes) {
  const text = bytes.toString("utf8");
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    throw new NotValid("the event is not JSON");
  }
  must(event !== null && typeof event === "object", "the event is not a JSON object");
  must(Buffer.from(canonical(event)).equals(bytes), "the event is not in canonical form (RFC 8785)");
  return event;
}

/** Checks a consistency answer between two checkpoints; gives what it proves, throws NotValid. */
export function verifyConsistency(proof, older, newer, key, origin) {
  const [from, to] = [
    readCheckpoint(older, key, origin, "the older checkpoint"),
    readCheckpoint(newer, key, origin, "the newer checkpoint"),
  ];
  checkConsistency(from, to, hashesOf(proof));
  return {
    words: `the log "${origin}" of ${to.size} entries is the one of ${from.size} entries with ${to.size - from.size} added at its end`,
    facts: { origin, from: from.size, to: to.size },
  };
}

function readInput(path) {
  try {
    // A pipe is opened again: descriptor 0 may be non-blocking, and nothing yet is an error there.
    const standardInput = fstatSync(0).isFIFO() ? "/dev/stdin" : 0;
    return readFileSync(path === undefined || path === "-" ? standardInput : path, "utf8");
  } catch {
    throw new NotChecked(path ? `there is no file ${path}, or not for you` : "standard input is empty");
  }
}

function readProof(path, needed) {
  if (path === undefined && process.stdin.isTTY)
    throw new NotChecked("give the proof as a file or on standard input");
  let proof;
  try {
    proof = JSON.parse(readInput(path));
  } catch (error) {
    throw error instanceof NotChecked ? error : new NotChecked("the proof is not JSON");
  }
  if (proof === null || typeof proof !== "object" || !Array.isArray(proof.hashes)) {
    throw new NotChecked("this is no proof: it has no hashes");
  }
  const missing = needed.filter((name) => proof[name] === undefined).join(", no ");
  if (missing !== "") throw new NotChecked(`this is no inclusion proof: it has no ${missing}`);
  return proof;
}

function run(args) {
  const options = {
    key: { type: "string" },
    origin: { type: "string" },
    from: { type: "string" },
    to: { type: "string" },
  };
  const flags = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } };
  let parsed;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: { ...options, ...flags } });
  } catch (error) {
    throw new NotChecked(error.message);
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  const consistency = positionals[0] === "consistency";
  if (consistency || positionals[0] === "inclusion") positionals.shift();
  if (positionals.length > 1) throw new NotChecked("give one proof at a time");
  if (!values.key) throw new NotChecked("give the log's public key with --key");
  const key = readKey(existsSync(values.key) || !/[+]/.test(values.key) ? readInput(values.key) : values.key);
  const origin = values.origin ?? key.name;
  const proof = readProof(positionals[0], consistency ? [] : INCLUSION_FIELDS);
  if (!consistency) return verifyInclusion(proof, key, origin);
  const notes = [values.from, values.to].map((path, at) =>
    path ? readInput(path) : [proof.fromCheckpoint, proof.toCheckpoint][at],
  );
  if (notes.some((note) => typeof note !== "string")) {
    throw new NotChecked("give both checkpoints with --from and --to: the answer does not hold them");
  }
  return verifyConsistency(proof, notes[0], notes[1], key, origin);
}

function main(args) {
  const json = args.includes("--json");
  const say = (valid, words, facts = {}) => {
    const line = json ? JSON.stringify({ valid, reason: words, ...facts }) : words;
    (valid || json ? process.stdout : process.stderr).write(`${line}\n`);
  };
  try {
    const result = run(args);
    if (result.help) process.stdout.write(`${HELP}\n`);
    else say(true, json ? result.words : `VALID: ${result.words}.`, result.facts);
    return 0;
  } catch (error) {
    const checked = error instanceof NotValid;
    // A proof of the wrong shape can break anywhere above: whatever it is, nothing was proved.
    const words =
      checked || error instanceof NotChecked ? error.message : "this is no proof that can be read";
    say(checked ? false : null, json ? words : `${checked ? "NOT VALID" : "NOT CHECKED"}: ${words}.`);
    return checked ? 1 : 2;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
