// What the scripts say to a person: steps with their time, and one clear sentence when something is
// in the way.

/** Something that only the person at the keyboard can put right; its message says what to do. */
export class Trouble extends Error {
  /**
   * @param {string} message one or two sentences, ending in a full stop
   * @param {number} [exitCode] docs/configuration.md, "Exit codes"
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = "Trouble";
    this.exitCode = exitCode;
  }
}

/** As EX_CONFIG of sysexits.h; libs/service-kit has it for what is started from here. */
export const BAD_SETTINGS = 78;

/** @param {unknown} error */
export const exitCodeOf = (error) => (error instanceof Trouble ? error.exitCode : 1);

/** @param {string} path */
const inTheWay = (path) => `${path} is in the way of what MedVault keeps there: move it to another place.`;

/** @type {Record<string, (path: string) => string>} */
const FILE_TROUBLES = {
  ENOSPC: () => "The disk is full: free some space and run the same command again; nothing was lost.",
  EDQUOT: () =>
    "Your disk quota is used up: free some space and run the same command again; nothing was lost.",
  EACCES: (path) =>
    `You have no right to use ${path}: change its owner to the user who runs MedVault, or set MEDVAULT_DATA to a directory of your own.`,
  EPERM: (path) =>
    `You have no right to use ${path}: change its owner to the user who runs MedVault, or set MEDVAULT_DATA to a directory of your own.`,
  EEXIST: inTheWay,
  EISDIR: inTheWay,
  ENOTDIR: inTheWay,
  ELOOP: inTheWay,
  EROFS: (path) =>
    `${path} is on a read-only file system: set MEDVAULT_DATA to a directory that can be written.`,
};

/**
 * Several faults as one: all of them, each on its line.
 * @param {readonly string[]} sentences one at least
 * @param {number} [exitCode]
 */
export function troubleOf(sentences, exitCode) {
  const [first = "", ...others] = sentences;
  return new Trouble(
    others.length === 0
      ? first
      : `${sentences.length} things are not right; nothing was started.\n  ${sentences.join("\n  ")}`,
    exitCode,
  );
}

/**
 * The sentence for an error, or null when it is a fault of ours and its stack should be seen.
 * @param {unknown} error
 * @returns {string | null}
 */
export function sentenceFor(error) {
  if (error instanceof Trouble) return error.message;
  const { code, path } = /** @type {NodeJS.ErrnoException} */ (error ?? {});
  const words = code ? FILE_TROUBLES[code] : undefined;
  return words ? words(path ?? "a file that MedVault needs") : null;
}

/** @param {number} since milliseconds of Date.now() */
export const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** @param {Date} [now] */
export const clock = (now = new Date()) => now.toTimeString().slice(0, 8);

/**
 * Says that a step began, and after it how long it took.
 * @template T
 * @param {(line: string) => void} say
 * @param {string} title
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(say, title, work) {
  const since = Date.now();
  say(`… ${title}`);
  const result = await work();
  say(`✓ ${title} (${seconds(since)})`);
  return result;
}
