// The witness as a command: an auditor's own laptop can be one.
import { existsSync } from "node:fs";
import { readFile, unlink, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import path from "node:path";
import { parseArgs } from "node:util";
import { printable } from "../bytes.mjs";
import { boundedFile } from "../node/dump-source.mjs";
import { nodeEngine } from "../node/engine.mjs";
import { ED25519, NotSigned, readKey } from "../note.mjs";
import { NotChecked } from "../verify.mjs";
import { witnessServer } from "./server.mjs";
import { openSigner } from "./store.mjs";

const HELP = `Be a witness of audit logs (C2SP tlog-witness): cosign each log's one history, and refuse any other.

  npm run witness -- --dir <folder> --name <name> --log <vkey>
  node tools/witness.mjs …    the same, with Node 20 or newer and nothing installed: copy this file and
                              libs/log-verifier, each to its place

  --dir <folder>        what the witness keeps: its key (made at the first start) and, of each log, the last
                        checkpoint that it cosigned. It must last, and be this witness's alone: a copy that is
                        set back would cosign another history.
  --name <name>         how the witness is called, such as witness.example/laptop; needed at the first start
  --log <vkey>          a log that it witnesses, name+id+base64, or a file that holds it (audit.vkey);
                        may be given several times
  --listen <host:port>  where it listens (default 127.0.0.1:7766); port 0 takes a free one
  --tls-cert <file>     the certificate to listen with, PEM; needed where it listens beyond this machine
  --tls-key <file>      its private key, PEM
  --show-key            print the witness's public key, and end
  --json                lines as JSON
  --help                this text

The audit service is told of it by MEDVAULT_AUDIT_WITNESSES, the verifier by --witness.
Exit codes: 0 stopped or shown, 1 it could not go on, 2 wrong use or a folder that cannot be believed.
`;

const OPTIONS = /** @type {const} */ ({
  dir: { type: "string" },
  name: { type: "string" },
  log: { type: "string", multiple: true },
  listen: { type: "string", default: "127.0.0.1:7766" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "show-key": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
});

/**
 * Runs until it is stopped, and gives its exit code.
 * @param {string[]} args
 */
export async function run(args) {
  const say = sayer(args.includes("--json"));
  try {
    const { values } = argumentsIn(args);
    if (values.help) {
      process.stdout.write(HELP);
      return 0;
    }
    if (!values.dir) throw new NotChecked("say where the witness keeps what it knows: --dir");
    const signer = await openSigner(values.dir, values.name);
    if (values["show-key"]) {
      process.stdout.write(`${signer.vkey}\n`);
      return 0;
    }
    const logs = await Promise.all((values.log ?? []).map(logOf));
    if (logs.length === 0) throw new NotChecked("say which log to witness: --log");
    const place = placeOf(values.listen, values["tls-cert"] !== undefined);
    const tls = await tlsOf(values["tls-cert"], values["tls-key"]);
    return await served({ directory: values.dir, signer, logs, tls, place, say });
  } catch (error) {
    const words = printable(error instanceof Error ? error.message : error, 500);
    process.stderr.write(`witness: ${words}.\n`);
    return error instanceof NotChecked || error instanceof NotSigned ? 2 : 1;
  }
}

/** @param {any} options */
async function served({ directory, signer, logs, tls, place, say }) {
  const lock = path.join(directory, "running");
  await takeLock(lock);
  const stopped = new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"]) process.once(name, resolve);
  });
  try {
    const server = await witnessServer({
      ...{ directory, signer, logs, tls },
      say: ({ origin, status, words }) =>
        say(`${printable(origin ?? "an unknown log")}: ${status} ${printable(words)}`, {
          origin,
          status,
          words,
        }),
    });
    await new Promise((resolve, reject) => server.once("error", reject).listen(place, () => resolve(null)));
    const at = /** @type {import("node:net").AddressInfo} */ (server.address());
    const url = `${tls ? "https" : "http"}://${isIP(at.address) === 6 ? `[${at.address}]` : at.address}:${at.port}`;
    say(`witness ${signer.key.name} listens at ${url}; its key is ${signer.vkey}`, {
      listening: url,
      vkey: signer.vkey,
    });
    await stopped;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 2_000).unref();
    });
    say("witness stopped", { stopped: true });
    return 0;
  } finally {
    await unlink(lock).catch(() => {});
  }
}

/**
 * One process at a time. What a crash left is taken over; that two never cosign different histories
 * is seen to by
 * the files themselves (store.mjs).
 * @param {string} lock
 */
async function takeLock(lock) {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      return await writeFile(lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const pid = Number(await readFile(lock, "utf8").catch(() => ""));
    if (isRunning(pid))
      throw new NotChecked(
        `another witness runs in this folder (process ${pid}); stop it, or delete ${lock} if it is none`,
      );
    await unlink(lock).catch(() => {});
  }
  throw new NotChecked(`${lock} cannot be taken`);
}

/** @param {number} pid */
function isRunning(pid) {
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
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

/** @param {string} given */
async function logOf(given) {
  const bytes = given.includes("+") && !existsSync(given) ? null : await boundedFile(given, 4_096);
  const key = await readKey(nodeEngine, bytes?.toString("utf8") ?? given).catch(
    (/** @type {Error} */ error) => {
      throw new NotChecked(`the key of --log ${error.message}`);
    },
  );
  if (key.type !== ED25519) throw new NotChecked("the key of --log is a witness's, not a log's");
  return { key, origin: key.name };
}

/** @param {string} listen @param {boolean} hasTls */
function placeOf(listen, hasTls) {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(listen) ?? [];
  if (host === "" || Number(port) > 65_535) throw new NotChecked("--listen must be host:port");
  const bare = host.replace(/^\[|\]$/g, "");
  if (!hasTls && !/^(localhost|127\.[\d.]+|::1)$/.test(bare))
    throw new NotChecked(
      "beyond this machine it listens with a certificate alone: --tls-cert and --tls-key (or behind a proxy of your own)",
    );
  return { host: bare, port: Number(port) };
}

/** @param {string | undefined} cert @param {string | undefined} key */
async function tlsOf(cert, key) {
  if ((cert === undefined) !== (key === undefined))
    throw new NotChecked("--tls-cert and --tls-key go together");
  if (cert === undefined || key === undefined) return null;
  return { cert: await readFile(cert), key: await readFile(key) };
}

/** @param {boolean} json */
const sayer = (json) => (/** @type {string} */ words, /** @type {object} */ facts) =>
  void process.stdout.write(json ? `${JSON.stringify(facts)}\n` : `${words}\n`);
