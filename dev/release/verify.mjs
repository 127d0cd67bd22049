// Whether the files of a release are what was made: their checksums, the signature under where they come
// from, and the bill of materials against the lock file. Stands alone: Node 20, no package.
//   node verify.mjs <folder> --public-key <file>
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

export const SUMS = "SHA256SUMS";
export const PROVENANCE = "provenance.dsse.json";
export const SBOM = "sbom.cdx.json";
export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

export const HELP = `npm run release:verify -- <folder> --public-key <file>     (or: node verify.mjs …)

Checks a release before it is used: that every file is there as it was made and none was added, that
provenance.dsse.json is signed by that key and names these files, and that the bill of materials and
the lock file name the same packages. Exit code 0: all of it is right.

  --public-key   the maintainers' key (Ed25519, PEM), from another place than the release itself
  --unsigned     accepts a release that nobody has signed: its checksums show damage, not a forger`;

/** @typedef {{keyid: string, sig: string}} Signature */
/** @typedef {{payloadType: string, payload: string, signatures: Signature[]}} Envelope */
/** @typedef {{predicateType: string, subject: {name: string, digest: {sha256: string}}[]}} Statement */

/**
 * What a DSSE signature is made over (github.com/secure-systems-lab/dsse, protocol.md).
 * @param {string} type
 * @param {Buffer} payload
 */
export const preAuthentication = (type, payload) =>
  Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload]);

/**
 * By which a signature names its key: SHA-256 of the public key's SPKI, hex.
 * @param {import("node:crypto").KeyObject} key
 */
export const keyIdOf = (key) =>
  createHash("sha256")
    .update(createPublicKey(key).export({ type: "spki", format: "der" }))
    .digest("hex");

/** @param {string} file */
export async function sha256Of(file) {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file)) hash.update(part);
  return hash.digest("hex");
}

/**
 * Every file of a folder, sorted; their paths from it on, with slashes.
 * @param {string} dir
 */
export const filesOf = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();

/**
 * What is wrong with the release in a folder, a sentence each; nothing when it is as it was made.
 * @param {string} dir
 * @param {{publicKey?: string | undefined, isUnsignedFine?: boolean | undefined}} o publicKey: PEM
 * @returns {Promise<string[]>}
 */
export async function releaseFaults(dir, { publicKey, isUnsignedFine = false }) {
  if (!existsSync(path.join(dir, SUMS))) return [`${SUMS} is missing: this is no release, or not all of it.`];
  const sums = sumsIn(readFileSync(path.join(dir, SUMS), "utf8"));
  if (sums === null) return [`${SUMS} is damaged.`];
  const there = filesOf(dir).filter((name) => name !== SUMS);
  const faults = [
    ...[...sums.keys()].filter((name) => !there.includes(name)).map((name) => `${name} is missing.`),
    ...there.filter((name) => !sums.has(name)).map((name) => `${name} is no part of the release.`),
  ];
  for (const name of there)
    if (sums.has(name) && (await sha256Of(path.join(dir, name))) !== sums.get(name))
      faults.push(`${name} is not as it was made: it was changed, damaged or cut short.`);
  // What is damaged is not read any further.
  if (faults.length > 0) return faults;
  return [...provenanceFaults(dir, sums, publicKey, isUnsignedFine), ...sbomFaults(dir)];
}

/**
 * @param {string} text
 * @returns {Map<string, string> | null}
 */
function sumsIn(text) {
  const lines = text.split("\n").filter(Boolean);
  const parsed = lines.map((line) => /^([0-9a-f]{64}) {2}((?:[\w.-]+\/)*[\w.-]+)$/.exec(line));
  if (
    lines.length === 0 ||
    parsed.some((match) => match === null || /(^|\/)\.\.?(\/|$)/.test(match[2] ?? ""))
  )
    return null;
  return new Map(parsed.map((match) => [match?.[2] ?? "", match?.[1] ?? ""]));
}

/**
 * @param {string} dir
 * @param {Map<string, string>} sums
 * @param {string | undefined} publicKey
 * @param {boolean} isUnsignedFine
 */
function provenanceFaults(dir, sums, publicKey, isUnsignedFine) {
  if (!sums.has(PROVENANCE)) return [`${PROVENANCE} is missing: nothing says where these files come from.`];
  /** @type {Envelope} */
  const envelope = JSON.parse(readFileSync(path.join(dir, PROVENANCE), "utf8"));
  const payload = Buffer.from(envelope.payload, "base64");
  const signed = signatureFault(envelope, payload, publicKey, isUnsignedFine);
  if (signed !== null) return [signed];
  /** @type {Statement} */
  const statement = JSON.parse(payload.toString("utf8"));
  const subjects = new Map(statement.subject.map(({ name, digest }) => [name, digest.sha256]));
  const listed = [...sums].filter(([name]) => name !== PROVENANCE);
  return [
    ...listed
      .filter(([name, sum]) => subjects.get(name) !== sum)
      .map(([name]) => `${name} is not the file that ${PROVENANCE} names.`),
    ...[...subjects.keys()]
      .filter((name) => !sums.has(name))
      .map((name) => `${name}, which ${PROVENANCE} names, is missing.`),
  ];
}

/**
 * @param {Envelope} envelope
 * @param {Buffer} payload
 * @param {string | undefined} publicKey
 * @param {boolean} isUnsignedFine
 * @returns {string | null}
 */
function signatureFault({ payloadType, signatures }, payload, publicKey, isUnsignedFine) {
  if (payloadType !== PAYLOAD_TYPE) return `${PROVENANCE} holds no in-toto statement.`;
  if (publicKey === undefined) {
    if (signatures.length > 0) return `It is signed: say by which key with --public-key <file>.`;
    return isUnsignedFine
      ? null
      : "Nobody has signed it: ask for a signed release, or accept it with --unsigned.";
  }
  const key = createPublicKey(publicKey);
  if (key.asymmetricKeyType !== "ed25519") return "The public key is no Ed25519 key.";
  if (signatures.length === 0) return "Nobody has signed it, though you gave a key: do not use it.";
  const message = preAuthentication(payloadType, payload);
  const isOurs = signatures.some(({ sig }) =>
    verifySignature(null, message, key, Buffer.from(sig, "base64")),
  );
  return isOurs ? null : "It was not signed by this key, or was changed after it was signed: do not use it.";
}

/**
 * Every package that the bill names is in the lock file of the sources, with its version and hash.
 * @param {string} dir
 */
function sbomFaults(dir) {
  const source = filesOf(dir).find((name) => name.endsWith("-source.tar.gz"));
  if (!source || !existsSync(path.join(dir, SBOM)))
    return [`${source ? SBOM : "The source archive"} is missing.`];
  const lock = fileInTar(gunzipSync(readFileSync(path.join(dir, source))), /^[^/]+\/package-lock\.json$/);
  if (!lock) return [`${source} holds no package-lock.json.`];
  /** @type {{packages: Record<string, {version?: string, integrity?: string}>}} */
  const { packages } = JSON.parse(lock.toString("utf8"));
  const known = new Set(
    Object.entries(packages).map(([place, { version, integrity }]) => {
      const hash = Buffer.from(/sha512-(\S+)/.exec(integrity ?? "")?.[1] ?? "", "base64").toString("hex");
      return `${place.slice(place.lastIndexOf("node_modules/") + 13)}@${version} ${hash}`;
    }),
  );
  /** @type {{components?: {type: string, name: string, version: string, hashes?: {content: string}[]}[]}} */
  const { components = [] } = JSON.parse(readFileSync(path.join(dir, SBOM), "utf8"));
  const libraries = components.filter(({ type }) => type === "library");
  if (libraries.length === 0) return [`${SBOM} names no package.`];
  return libraries
    .filter(({ name, version, hashes }) => !known.has(`${name}@${version} ${hashes?.[0]?.content ?? ""}`))
    .map(({ name, version }) => `${SBOM} names ${name} ${version}, which the lock file does not know so.`);
}

/**
 * The content of the first file with such a name; null when there is none (POSIX.1-1988 ustar).
 * @param {Buffer} tar
 * @param {RegExp} name
 * @returns {Buffer | null}
 */
function fileInTar(tar, name) {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    /** @param {number} from @param {number} length */
    const text = (from, length) =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 12), 8);
    const full = `${text(345, 155) ? `${text(345, 155)}/` : ""}${text(0, 100)}`;
    if (/^[0\0]?$/.test(text(156, 1)) && name.test(full)) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return null;
}

/** @param {string[]} args */
export async function verifyCommand(args) {
  const options = /** @type {const} */ ({ "public-key": { type: "string" }, unsigned: { type: "boolean" } });
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [dir] = positionals;
  if (!dir || positionals.length > 1) {
    console.error(HELP);
    return 2;
  }
  const file = values["public-key"];
  const publicKey = file === undefined ? undefined : readFileSync(file, "utf8");
  const faults = await releaseFaults(path.resolve(dir), { publicKey, isUnsignedFine: values.unsigned });
  for (const fault of faults) console.error(`✗ ${fault}`);
  if (faults.length > 0)
    console.error(`release:verify: FAILED, ${faults.length} things are wrong with ${dir}`);
  else
    console.log(
      `release:verify: passed, ${dir} is as it was made${publicKey ? ", and signed by this key" : "; nobody has signed it"}`,
    );
  return faults.length > 0 ? 1 : 0;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--help")) console.log(HELP);
  else process.exitCode = await verifyCommand(process.argv.slice(2));
}
