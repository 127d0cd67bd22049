// What must be so before anything starts; runs on the machine's own Node 20 and needs no package.
import fs from "node:fs";
import path from "node:path";
import { readJson } from "./json.mjs";
import { acquireLock } from "./lock.mjs";
import { root, sharedPath } from "./paths.mjs";
import { portHolder, portTaken, portTrouble } from "./ports.mjs";
import { run } from "./run.mjs";
import { sentenceFor, step, Trouble } from "./words.mjs";

const MIB = 1024 * 1024;
/** Unpacked servers 207 MB, packages 450 MB, Postgres' first WAL 80 MB, and room to work. */
const FREE_MIB = { firstTime: 1_500, later: 300 };

/** Refuses a Node that cannot run even these scripts. */
export function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) {
    throw new Trouble(
      `Node ${process.versions.node} is too old: install Node 20 or later (Debian: apt install nodejs, or nodejs.org).`,
    );
  }
}

/**
 * Refuses a system on which servers cannot be started, unless none has to be.
 * @param {NodeJS.Platform} platform
 * @param {NodeJS.ProcessEnv} env
 */
export function checkPlatform(platform, env) {
  const missing = ["DATABASE_URL", "REDIS_URL", "AMQP_URL"].filter((name) => !env[name]);
  if (platform === "linux" || missing.length === 0) return;
  throw new Trouble(
    `npm start brings its own servers on Linux only, not on ${platform}: "docker compose up" starts all of MedVault there (docs/compose.md). Or say where servers are with ${missing.join(" and ")} ("docker compose --file dev/docker-compose.yml up --detach" starts some).`,
  );
}

/**
 * Refuses a data directory that cannot be written or has too little room.
 * @param {string} data
 * @param {NodeJS.ProcessEnv} env
 */
export function checkRoom(data, env) {
  for (const dir of [data, root]) fs.accessSync(dir, fs.constants.W_OK | fs.constants.X_OK);
  const firstTime = !fs.existsSync(path.join(data, "postgres"));
  const needMiB = Number(env.MEDVAULT_MIN_FREE_MIB ?? (firstTime ? FREE_MIB.firstTime : FREE_MIB.later));
  const { bavail, bsize } = fs.statfsSync(data);
  const freeMiB = Math.floor((bavail * bsize) / MIB);
  if (freeMiB < needMiB) {
    throw new Trouble(
      `Only ${freeMiB} MiB are free for ${data}, and MedVault needs ${needMiB}: free some space, or set MEDVAULT_DATA to a larger disk.`,
    );
  }
}

/**
 * Refuses what npm start would take for missing and make again: a torn file of its own, and lost
 * passwords of servers that are there.
 * @param {string} data
 */
export function checkOwnFiles(data) {
  const keys = path.join(data, "keys");
  const keyFiles = fs.existsSync(keys) ? fs.readdirSync(keys).filter((name) => name.endsWith(".json")) : [];
  const files = ["secrets.json", "demo.json", ...keyFiles.map((name) => path.join("keys", name))];
  const torn = files.filter(
    (name) => fs.existsSync(path.join(data, name)) && !readJson(path.join(data, name)),
  );
  if (torn.length > 0) {
    throw new Trouble(
      `${torn.map((name) => path.join(data, name)).join(" and ")} cannot be read, or ${torn.length > 1 ? "are" : "is"} damaged: put ${torn.length > 1 ? "them" : "it"} back from a copy.`,
    );
  }
  if (
    fs.existsSync(path.join(data, "postgres/PG_VERSION")) &&
    !fs.existsSync(path.join(data, "secrets.json"))
  )
    throw new Trouble(
      `${path.join(data, "secrets.json")} is gone, and with it the passwords of the servers in ${data}: put it back from a copy.`,
    );
}

/**
 * Refuses when the gateway's public port cannot be had.
 * @param {number} port
 */
export async function checkGatewayPort(port) {
  // Named with every other fault of the settings.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
  const holder = await portHolder(port);
  if (holder) throw portTaken(port, holder);
  const trouble = await portTrouble(port);
  if (trouble === "EADDRINUSE") throw portTaken(port, null);
  if (trouble)
    throw new Trouble(
      `Port ${port} cannot be used (${trouble}): choose another, as in MEDVAULT_PORT=8080 npm start.`,
    );
}

/**
 * Runs every check, and gives what all of them found as sentences.
 * @param {readonly (() => unknown)[]} checks
 * @returns {Promise<string[]>}
 */
export async function faultsBy(checks) {
  const sentences = [];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      const sentence = sentenceFor(error);
      if (sentence === null) throw error;
      sentences.push(sentence);
    }
  }
  return sentences;
}

/**
 * Installs packages when what is in node_modules is not what package-lock.json asks for.
 * @param {(line: string) => void} say
 */
export async function ensurePackages(say) {
  if (packagesMatch()) return;
  const release = await acquireLock(sharedPath("npm-ci.lock"), {
    onHeld: () => null, // someone else installs the same packages: wait for them
  });
  try {
    if (!packagesMatch()) await step(say, "installing packages (npm ci)", npmCi);
  } finally {
    release();
  }
}

/**
 * npm writes node_modules/.package-lock.json last, so a half-finished installation does not match.
 */
export function packagesMatch() {
  const [wanted, installed] = ["package-lock.json", "node_modules/.package-lock.json"].map(readPackages);
  if (!wanted)
    throw new Trouble(
      "package-lock.json is missing or unreadable: get it back with git checkout package-lock.json.",
    );
  if (!installed) return false;
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === "" || entry.optional || entry.peer) return true;
    return installed[name]?.version === entry.version && installed[name]?.integrity === entry.integrity;
  });
}

/**
 * @param {string} file
 * @returns {Record<string, {version?: string, integrity?: string, optional?: boolean, peer?:
 * boolean}> | null}
 */
function readPackages(file) {
  return readJson(path.join(root, file))?.packages ?? null;
}

async function npmCi() {
  // Under `npm run`, node_modules/.bin comes first in PATH; npm must not run on the node that it is
  // about to replace.
  const PATH = (process.env.PATH ?? "")
    .split(path.delimiter)
    .filter((dir) => !dir.includes("node_modules"))
    .join(path.delimiter);
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const patient = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"];
  const env = { ...process.env, PATH };
  const shell = process.platform === "win32"; // npm is a script there, which only a shell runs
  const { code, words } = await run("npm", ["ci", ...quiet, ...patient], { cwd: root, env, shell }).catch(
    () => {
      throw new Trouble("npm is not installed: install it (Debian: apt install npm).");
    },
  );
  if (code !== 0) throw npmTrouble(words);
}

/** @param {string} words what npm wrote */
function npmTrouble(words) {
  const network =
    /E(AI_AGAIN|NOTFOUND|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH)|ERR_SOCKET_TIMEOUT/.exec(
      words,
    );
  if (network)
    return new Trouble(
      `The npm registry cannot be reached (${network[0]}): check the network or npm's proxy settings, then run the same command again.`,
    );
  if (/ENOSPC/.test(words))
    return new Trouble("The disk is full: free some space and run the same command again.");
  if (/EACCES|EPERM/.test(words))
    return new Trouble(`npm may not write to ${root}: change its owner to the user who runs MedVault.`);
  const first =
    words
      .split("\n")
      .find((line) => line.trim())
      ?.trim() ?? "no reason given";
  return new Trouble(
    `npm ci failed (${first.slice(0, 300)}): run "npm ci --ignore-scripts" to see all of it.`,
  );
}

/**
 * A Node that runs TypeScript as it is: the one that came with npm ci, else this one if new enough.
 * @returns {string}
 */
export function modernNode() {
  const bundled = path.join(root, "node_modules/.bin/node");
  if (fs.existsSync(bundled)) return bundled;
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  throw new Trouble(
    `No Node package exists for this machine (${process.platform}-${process.arch}): install Node 24 and run the same command again.`,
  );
}
