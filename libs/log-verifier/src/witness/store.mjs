// What a witness must never forget: its key, and of each log the last checkpoint that it cosigned.
// A state is a file
// with a number, which is made once and never written again: two processes cannot both make the
// next one.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { link, mkdir, open, readdir, unlink } from "node:fs/promises";
import path from "node:path";
import { base64Of, hexOf, joined, utf8 } from "../bytes.mjs";
import { boundedFile } from "../node/dump-source.mjs";
import { nodeEngine } from "../node/engine.mjs";
import { replaceDurably, syncDirectory } from "../node/state.mjs";
import { COSIGNATURE, cosignedText, openCheckpoint, readKey } from "../note.mjs";
import { NotChecked } from "../verify.mjs";

/** @typedef {import("../note.mjs").Checkpoint} Checkpoint */
/** @typedef {import("../note.mjs").Key} Key */
/**
 * @typedef {{ key: Key, vkey: string, cosign: (text: string, seconds: number) => string }} Signer
 */

const MAX_FILE_BYTES = 64 * 1024;
/** States that stay behind the last one, for a process that was stopped while it read. */
const KEPT_STATES = 16;
const MAX_EVIDENCE = 100;

/**
 * The key of a witness, made at its first start.
 * @param {string} directory
 * @param {string | undefined} name needed at the first start
 * @returns {Promise<Signer>}
 */
export async function openSigner(directory, name) {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const [keyFile, vkeyFile] = ["witness.key", "witness.vkey"].map((file) => path.join(directory, file));
  let pem = await boundedFile(keyFile ?? "", MAX_FILE_BYTES);
  if (pem === null) {
    if (name === undefined || !/^[^+\p{White_Space}\p{C}]{1,200}$/u.test(name))
      throw new NotChecked(
        "give this witness a name at its first start, such as --name witness.example/laptop (no space, no plus)",
      );
    if ((await readdir(directory)).includes("logs"))
      throw new NotChecked(
        `${directory} has lost witness.key: put it back, or begin again in a new folder under a new name`,
      );
    const { privateKey } = generateKeyPairSync("ed25519");
    pem = Buffer.from(privateKey.export({ format: "pem", type: "pkcs8" }));
    await replaceDurably(vkeyFile ?? "", `${await vkeyOf(name, privateKey)}\n`);
    await replaceDurably(keyFile ?? "", pem.toString("utf8"));
  }
  const privateKey = createPrivateKey(pem);
  const vkey = (await boundedFile(vkeyFile ?? "", MAX_FILE_BYTES))?.toString("utf8").trim() ?? "";
  const key = await readKey(nodeEngine, vkey);
  if ((await vkeyOf(key.name, privateKey)) !== vkey)
    throw new NotChecked(`witness.vkey in ${directory} is not of witness.key`);
  if (name !== undefined && name !== key.name)
    throw new NotChecked(`this witness is called ${key.name}, and that does not change`);
  return {
    key,
    vkey,
    cosign(text, seconds) {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(cosignedText(text, seconds)), privateKey);
      const bytes = Buffer.concat([Buffer.from(key.id, "hex"), time, signature]);
      return `\u2014 ${key.name} ${bytes.toString("base64")}\n`;
    },
  };
}

/** @param {string} name @param {import("node:crypto").KeyObject} privateKey */
async function vkeyOf(name, privateKey) {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const typed = joined(Uint8Array.of(COSIGNATURE), spki.subarray(-32));
  const [id] = await nodeEngine.sha256All([joined(utf8(`${name}\n`), typed)]);
  return `${name}+${hexOf((id ?? typed).subarray(0, 4))}+${base64Of(typed)}`;
}

/**
 * The memory of one log.
 * @param {string} directory of the witness
 * @param {import("./decision.mjs").KnownLog} log
 * @param {Key} witness
 */
export async function openMemory(directory, log, witness) {
  const folder = path.join(directory, "logs", await hashOf(log.origin));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const nameOf = (/** @type {number} */ number) => path.join(folder, String(number).padStart(16, "0"));
  const numbers = async () =>
    (await readdir(folder))
      .filter((name) => /^\d{16}$/.test(name))
      .map(Number)
      .sort((a, b) => b - a);

  return {
    /** The last state: its number, the note with both signatures, what it says. */
    async latest() {
      const [number = 0] = await numbers();
      if (number === 0) return { number, note: null, checkpoint: null };
      const note = (await boundedFile(nameOf(number), MAX_FILE_BYTES))?.toString("utf8") ?? "";
      const { checkpoint, cosignatures } = await openCheckpoint(nodeEngine, note, log.key, log.origin, [
        witness,
      ]);
      if (cosignatures.length === 0) throw new NotChecked(`${nameOf(number)} is not what this witness wrote`);
      return { number, note, checkpoint };
    },
    /**
     * Makes the state behind `number`, so that it lasts; false: another process was faster.
     * @param {number} number
     * @param {string} note
     */
    async remember(number, note) {
      const aside = path.join(folder, `${randomBytes(8).toString("hex")}.tmp`);
      const handle = await open(aside, "wx", 0o600);
      try {
        await handle.writeFile(note);
        await handle.sync();
      } finally {
        await handle.close();
      }
      try {
        await link(aside, nameOf(number + 1));
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
        throw error;
      } finally {
        await unlink(aside);
      }
      await syncDirectory(folder);
      const [last, ...older] = await numbers();
      if (last !== number + 1) return false;
      for (const old of older.slice(KEPT_STATES)) await unlink(nameOf(old)).catch(() => {});
      return true;
    },
    /** What the log's key signed and must not have signed. @param {string} body */
    async keepEvidence(body) {
      const known = (await readdir(folder)).filter((name) => name.startsWith("evidence-"));
      if (known.length >= MAX_EVIDENCE) return;
      await replaceDurably(
        path.join(folder, `evidence-${Date.now()}-${randomBytes(4).toString("hex")}.txt`),
        body,
      );
    },
  };
}

/** The name of a log's folder, and of its checkpoint for monitors. @param {string} origin */
export async function hashOf(origin) {
  const [hash] = await nodeEngine.sha256All([utf8(origin)]);
  return hexOf(hash ?? new Uint8Array(0));
}
