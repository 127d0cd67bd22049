// Where things are: the project, its data, and the user that the servers run as.
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Trouble } from "./words.mjs";

export const root = path.resolve(fileURLToPath(new URL("../..", import.meta.url)));

/** @typedef {{uid: number, gid: number}} User */

const isRoot = process.getuid?.() === 0;

/**
 * Postgres refuses to run as root, so root's servers run as the project's owner, or as nobody.
 * @returns {User | null} null when servers run as the user who calls
 */
export function serverUser() {
  if (!isRoot) return null;
  const { uid, gid } = fs.statSync(root);
  if (uid !== 0) return { uid, gid };
  const line = fs
    .readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith("nobody:"));
  const fields = (line ?? "nobody:x:65534:65534").split(":");
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** The data directory that was asked for: MEDVAULT_DATA, or .data in the project. */
export function askedData(env = process.env) {
  return path.resolve(root, env.MEDVAULT_DATA || ".data");
}

/**
 * The directory where data really lives. RabbitMQ's shell scripts break on a space, and the
 * servers' user may be unable to reach a home of mode 0700: then it is one elsewhere, and the asked
 * path a link to it.
 * @param {string} asked absolute path
 * @returns {string}
 */
export function dataDir(asked) {
  try {
    return usableDir(asked);
  } catch (error) {
    throw dirTrouble(asked, error);
  }
}

/** @param {string} asked */
function usableDir(asked) {
  // Making a directory there fails in ways of its own: Node tries it for ever.
  if (/^\/(proc|sys|dev)(\/|$)/.test(realPlace(asked))) {
    throw new Trouble(`${asked} belongs to the kernel: set MEDVAULT_DATA to a directory of your own.`);
  }
  const there = lstat(asked);
  if (there?.isSymbolicLink()) return linkTarget(asked);
  if (!isAwkward(asked)) {
    makeOwn(asked);
    return asked;
  }
  if (there && fs.readdirSync(asked).length > 0) {
    throw new Trouble(
      `The servers cannot use ${asked} (a space in its path, or a directory above it that their user cannot enter): move it away, or set MEDVAULT_DATA to a plain path.`,
    );
  }
  if (there) fs.rmdirSync(asked);
  const target = path.join(elsewhere(), createHash("sha256").update(asked).digest("hex").slice(0, 12));
  makeOwn(target);
  console.log(`The data is kept in ${target}; ${asked} is a link to it.`);
  fs.mkdirSync(path.dirname(asked), { recursive: true });
  fs.symlinkSync(target, asked);
  return target;
}

/**
 * Where a path leads, by the part of it that is there already.
 * @param {string} file
 * @returns {string}
 */
function realPlace(file) {
  try {
    return fs.realpathSync(file);
  } catch (error) {
    const above = path.dirname(file);
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT" || above === file) throw error;
    return path.join(realPlace(above), path.basename(file));
  }
}

/** @type {Record<string, string>} */
const DIR_FAULTS = {
  ELOOP: "it is a link that leads back to itself",
  ENAMETOOLONG: "the path is too long",
  ENOENT: "a directory cannot be made there (is the file system read-only?)",
  EROFS: "it is on a read-only file system",
  EACCES: "you have no right to write there",
  EPERM: "you have no right to change it",
  EIO: "the disk does not work",
};

/**
 * Why a directory cannot hold the data, and what to do.
 * @param {string} asked
 * @param {unknown} error
 * @returns {unknown}
 */
function dirTrouble(asked, error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error)?.code;
  if (error instanceof Trouble || !code || code === "ENOSPC" || code === "EDQUOT") return error;
  const file = firstFileIn(asked);
  const fault = file ? `${file === asked ? "it" : file} is a file, not a directory` : DIR_FAULTS[code];
  return new Trouble(
    `The data cannot be kept in ${shown(asked)}, since ${fault ?? `the system refuses it (${code})`}: set MEDVAULT_DATA to a directory that you may write to.`,
  );
}

/**
 * The part of a path that is there and no directory; null when none is.
 * @param {string} asked
 * @returns {string | null}
 */
function firstFileIn(asked) {
  for (let place = asked; ; place = path.dirname(place)) {
    try {
      if (!fs.statSync(place).isDirectory()) return place;
    } catch {
      // Not there, or below a file.
    }
    if (place === path.dirname(place)) return null;
  }
}

/** @param {string} file */
const shown = (file) => (file.length > 200 ? `${file.slice(0, 200)}…` : file);

/**
 * A place for data that cannot be where it was asked for: not under /var/tmp, which is cleaned, and
 * where anybody could have made the directory before us.
 * @returns {string}
 */
function elsewhere() {
  if (isRoot) return "/var/lib/medvault";
  const home = path.join(process.env.XDG_DATA_HOME || path.join(os.homedir(), ".local/share"), "medvault");
  if (!isAwkward(home)) return home;
  throw new Trouble(
    `The servers can use neither this folder nor ${home} (a space in its path): set MEDVAULT_DATA to a plain path.`,
  );
}

/** @param {string} link */
function linkTarget(link) {
  const target = path.resolve(path.dirname(link), fs.readlinkSync(link));
  makeOwn(target);
  return fs.realpathSync(target);
}

/**
 * Made if missing, ours, and passable (not readable) for the servers' user.
 * @param {string} dir
 */
function makeOwn(dir) {
  fs.mkdirSync(dir, { recursive: true, mode: isRoot ? 0o711 : 0o700 });
  const { uid } = fs.lstatSync(dir);
  // Root too: what another user owns, they can swap under our feet. In a project of theirs that is
  // their right.
  // Windows knows users by other means than numbers.
  if (process.getuid && uid !== process.getuid() && !(isRoot && uid === fs.statSync(root).uid)) {
    throw new Trouble(
      `${dir} belongs to another user: run as that user, change its owner, or set MEDVAULT_DATA to a directory of your own.`,
    );
  }
  fs.chmodSync(dir, isRoot ? 0o711 : 0o700);
}

/**
 * For the servers, which are started on Linux alone: elsewhere they are given, and any place will do.
 * @param {string} dir
 */
function isAwkward(dir) {
  if (process.platform !== "linux") return false;
  if (!/^[\w@%+=:,./-]+$/.test(dir)) return true;
  const user = serverUser();
  if (!user) return false;
  for (let above = path.dirname(dir); ; above = path.dirname(above)) {
    const found = lstat(above);
    if (found && !(found.mode & 0o001) && found.uid !== user.uid) return true;
    if (above === path.dirname(above)) return false;
  }
}

/** @param {string} file */
function lstat(file) {
  return fs.lstatSync(file, { throwIfNoEntry: false });
}

/**
 * What is no data, and shared by every MedVault of this checkout (start, tests, e2e).
 * @param {"toolchain" | "chromium" | "promtool" | "pgbouncer" | "compile-cache" | "test" | "npm-ci.lock"} name
 * @returns {string}
 */
export const sharedPath = (name) => path.join(dataDir(path.join(root, ".data")), name);
