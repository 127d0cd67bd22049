// The command: where to read, what to hold it against, what to say.
import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { printable } from "../bytes.mjs";
import { verifyExport } from "../export.mjs";
import { httpSource } from "../http-source.mjs";
import { NotSigned, readKey } from "../note.mjs";
import { NotChecked, verifyLog } from "../verify.mjs";
import { boundedFile, dumpSource } from "./dump-source.mjs";
import { nodeEngine } from "./engine.mjs";
import { exportLines } from "./export-file.mjs";
import { openState } from "./state.mjs";
import { exportJson, exportWords, jsonOf, wordsOf } from "./words.mjs";

/** @typedef {import("../verify.mjs").Report} Report */

const HELP = `Check the whole audit log of a MedVault, away from MedVault.

  npm run audit:verify -- --key <vkey> --url https://medvault.example
  npm run audit:verify -- --key <vkey> --dump /backup/audit
  node tools/audit-verify.mjs …    the same, with Node 20 or newer and nothing installed: copy this file and
                                   libs/log-verifier, each to its place

  --key <vkey>         the log's public key, name+id+base64, or a file that holds it (audit.vkey).
                       Get it from whom you trust, not from whom you check.
  --url <gateway>      read the entries, their bodies and the tiles through a gateway. https, or this machine.
                       The token is MEDVAULT_TOKEN, or in the file of --token-file, which is read again for each
                       request. Bodies need audit:read of the whole log and a fresh sign-in; without, it says so.
  --dump <folder>      read the store outside the database (MEDVAULT_AUDIT_DIR), or a copy of it
  --dump <file>        check an export (ndjson): every line genuine and in its place, none taken out
  --state <folder>     what this verifier keeps: checkpoints, hashes of all entries, where it ended. A second run
                       reads only what is new. Default: ~/.local/state/medvault-audit-verify
  --whole              read everything again and hold it against what was kept
  --witness <vkey>     a witness whose cosignature counts; may be given several times
  --quorum <k>         how many of them must have cosigned (default: all)
  --origin <name>      the log that the checkpoint must name (default: the key's name)
  --token-file <file>  see --url
  --no-bodies          do not ask for bodies
  --json               the report as one line of JSON
  --help               this text

A certificate that no public authority signed: NODE_EXTRA_CA_CERTS=<file>.
Exit codes: 0 all is as it was signed, 1 something was found, 2 it could not be checked.
`;

const OPTIONS = /** @type {const} */ ({
  key: { type: "string" },
  url: { type: "string" },
  dump: { type: "string" },
  state: { type: "string" },
  whole: { type: "boolean", default: false },
  witness: { type: "string", multiple: true },
  quorum: { type: "string" },
  origin: { type: "string" },
  "token-file": { type: "string" },
  "no-bodies": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
});

/**
 * Runs the command to its end, and gives its exit code.
 * @param {string[]} args
 * @param {Record<string, string | undefined>} env
 */
export async function run(args, env) {
  const json = args.includes("--json");
  try {
    const { values } = argumentsIn(args);
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    if (isFile(values.dump)) {
      const report = await exportVerified(values);
      process.stdout.write(json ? `${JSON.stringify(exportJson(report))}\n` : exportWords(report));
      return report.ok ? 0 : 1;
    }
    const { report, evidence } = await verified(values, env);
    process.stdout.write(json ? `${JSON.stringify(jsonOf(report, evidence))}\n` : wordsOf(report, evidence));
    return report.ok ? 0 : 1;
  } catch (error) {
    const isOurs = error instanceof NotChecked || error instanceof NotSigned;
    const words = printable(error instanceof Error ? error.message : error, 500);
    const reason = isOurs ? words : `what was read is not what a log can be (${words})`;
    if (json) process.stdout.write(`${JSON.stringify({ ok: null, reason })}\n`);
    else process.stderr.write(`NOT CHECKED: ${reason}.\n`);
    return 2;
  }
}

/** @param {string[]} args */
function argumentsIn(args) {
  try {
    return parseArgs({ args, options: OPTIONS });
  } catch (error) {
    throw new NotChecked(`${error instanceof Error ? error.message : error} (--help shows what there is)`);
  }
}

/** @typedef {ReturnType<typeof argumentsIn>["values"]} Values */

/**
 * @param {Values} values
 * @param {Record<string, string | undefined>} env
 */
async function verified(values, env) {
  if ((values.url === undefined) === (values.dump === undefined))
    throw new NotChecked("say where the log is: --url or --dump");
  const { key, witnesses, quorum } = await trustedIn(values);
  const source = await sourceOf(values, env);
  const origin = values.origin ?? key.name;
  const state = await openState(nodeEngine, values.state ?? defaultState(env), origin);
  try {
    const kept = await state.load(key);
    const look = () =>
      verifyLog(nodeEngine, source, {
        ...{ key, origin, witnesses, quorum, kept, whole: values.whole },
        keep: state.keep,
        onProgress: progressOf(values.json),
      });
    const report = await twiceWhereOnTheWay(look);
    if (report.ok) await state.save(report);
    const evidence =
      report.ok || report.checkpoint === "" ? null : await state.keepEvidence(report.checkpoint);
    return { report, evidence };
  } finally {
    await state.close();
    if (process.stderr.isTTY && !values.json) process.stderr.write("\r\x1b[K");
  }
}

/** @param {Values} values */
async function trustedIn(values) {
  const key = await keyOf(values.key, "--key");
  const witnesses = await Promise.all((values.witness ?? []).map((text) => keyOf(text, "--witness")));
  const quorum = values.quorum === undefined ? witnesses.length : Number(values.quorum);
  if (!Number.isSafeInteger(quorum) || quorum < 0 || quorum > witnesses.length)
    throw new NotChecked(
      `--quorum must be a number from 0 to ${witnesses.length}, the number of witnesses given`,
    );
  return { key, witnesses, quorum };
}

/** @param {string | undefined} dump */
const isFile = (dump) => dump !== undefined && existsSync(dump) && statSync(dump).isFile();

/** @param {Values} values */
async function exportVerified(values) {
  if (values.url !== undefined) throw new NotChecked("say where the log is: --url or --dump");
  const trusted = await trustedIn(values);
  const lines = await exportLines(values.dump ?? "");
  const origin = values.origin ?? trusted.key.name;
  return await verifyExport(nodeEngine, lines, { ...trusted, origin, onProgress: progressOf(values.json) });
}

const ON_THE_WAY_MS = 3_000;
const ON_THE_WAY = ["numbers_missing", "witnesses", "body_deleted"];

/**
 * A number, a cosignature, or the entry that says that bodies were retired may be on its way: where
 * nothing else was found, it is looked again.
 * @param {() => Promise<Report>} look
 */
async function twiceWhereOnTheWay(look) {
  const first = await look();
  if (first.ok || first.findings.some(({ kind }) => !ON_THE_WAY.includes(kind))) return first;
  await new Promise((resolve) => setTimeout(resolve, ON_THE_WAY_MS));
  return await look();
}

/** @param {string | undefined} given @param {string} option */
async function keyOf(given, option) {
  if (!given) throw new NotChecked(`give the public key with ${option}`);
  const bytes = given.includes("+") && !existsSync(given) ? null : await boundedFile(given, 4_096);
  if (bytes === null && !given.includes("+")) throw new NotChecked(`there is no file ${printable(given)}`);
  try {
    return await readKey(nodeEngine, bytes?.toString("utf8") ?? given);
  } catch (error) {
    throw new NotChecked(`the key of ${option} ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * @param {Values} values
 * @param {Record<string, string | undefined>} env
 */
async function sourceOf(values, env) {
  if (values.dump !== undefined) {
    if (!existsSync(values.dump) || !statSync(values.dump).isDirectory())
      throw new NotChecked(`${printable(values.dump)} is no folder`);
    return await dumpSource(values.dump);
  }
  const url = urlOf(values.url ?? "");
  const token = tokenOf(values["token-file"], env);
  await token();
  const say = (/** @type {string} */ words) =>
    void process.stderr.write(`audit:verify: ${printable(words)}\n`);
  const { source, readable } = httpSource({ url, token, bodies: !values["no-bodies"], say });
  await readable();
  return source;
}

/** @param {string} given */
function urlOf(given) {
  const url = URL.parse?.(given) ?? (URL.canParse(given) ? new URL(given) : null);
  const isLocal = url !== null && /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname);
  if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && isLocal)))
    throw new NotChecked("--url must be https://…, or http:// on this machine: a token travels with it");
  if (url.username || url.password) throw new NotChecked("--url must hold no password");
  return url.href;
}

/**
 * @param {string | undefined} file
 * @param {Record<string, string | undefined>} env
 */
function tokenOf(file, env) {
  return async () => {
    const text =
      file === undefined ? env.MEDVAULT_TOKEN : (await boundedFile(file, 16_384))?.toString("utf8");
    const token = text?.trim() ?? "";
    if (!/^[A-Za-z0-9._~+/=-]+$/.test(token))
      throw new NotChecked("there is no token: set MEDVAULT_TOKEN, or give --token-file");
    return token;
  };
}

/** @param {Record<string, string | undefined>} env */
const defaultState = (env) =>
  path.join(env.XDG_STATE_HOME || path.join(homedir(), ".local/state"), "medvault-audit-verify");

/** @param {boolean} json */
function progressOf(json) {
  let last = 0;
  return (/** @type {number} */ done, /** @type {number} */ size) => {
    if (json || !process.stderr.isTTY || (done < size && Date.now() - last < 200)) return;
    last = Date.now();
    process.stderr.write(`\r\x1b[Kaudit:verify: ${done} of ${size} entries`);
  };
}
