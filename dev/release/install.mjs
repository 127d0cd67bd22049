// Installs MedVault for npm start out of the folder that this file is in, without a network. Stands alone:
// Node 20 and npm, on a Debian of the release that the bundle was made on.
//   node install.mjs <new folder>
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { releaseFaults } from "./verify.mjs";

const HELP = `node install.mjs <new folder> --public-key <file> | --unsigned

Checks the release that this file is part of, and lays MedVault out in the folder with all packages
that npm start would fetch. No network is used.`;

const here = path.dirname(fileURLToPath(import.meta.url));
const options = /** @type {const} */ ({
  "public-key": { type: "string" },
  unsigned: { type: "boolean" },
  help: { type: "boolean" },
});
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [target] = positionals;

/**
 * @param {string} program
 * @param {string[]} words
 * @param {string} cwd
 */
function must(program, words, cwd) {
  const { status, error } = spawnSync(program, words, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error(`${program} ${words[0]} failed${error ? ` (${error.message})` : ""}.`);
}

/**
 * npm takes each package from a file, and compares it with the hash of the lock file as ever.
 * @param {string} lock
 * @param {string} packages
 */
function fromFiles(lock, packages) {
  const parsed = JSON.parse(lock);
  for (const entry of Object.values(parsed.packages)) {
    const sum = /sha512-(\S+)/.exec(entry.integrity ?? "")?.[1];
    if (!sum) continue;
    const file = path.join(packages, `${Buffer.from(sum, "base64").toString("hex").slice(0, 40)}.tgz`);
    if (existsSync(file)) entry.resolved = `file:${file}`;
  }
  return JSON.stringify(parsed, null, 2);
}

/** @param {string} into */
async function install(into) {
  const file = values["public-key"];
  const publicKey = file === undefined ? undefined : readFileSync(file, "utf8");
  const faults = await releaseFaults(here, { publicKey, isUnsignedFine: values.unsigned });
  if (faults.length > 0) throw new Error(`This release is not to be used:\n  ${faults.join("\n  ")}`);
  if (existsSync(into) && readdirSync(into).length > 0)
    throw new Error(`${into} is not empty: name a new folder.`);
  mkdirSync(into, { recursive: true });
  const source = readdirSync(here).find((name) => name.endsWith("-source.tar.gz")) ?? "";
  const work = mkdtempSync(path.join(into, ".bundle-"));
  try {
    console.log("… unpacking");
    must("tar", ["-xzf", path.join(here, source), "--strip-components=1", "-C", into], here);
    must("tar", ["-xf", path.join(here, "offline.tar"), "-C", work], here);
    console.log("… installing packages (npm ci, of files)");
    const lockFile = path.join(into, "package-lock.json");
    const lock = readFileSync(lockFile, "utf8");
    writeFileSync(lockFile, fromFiles(lock, path.join(work, "npm")));
    try {
      must(
        "npm",
        ["ci", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        into,
      );
    } finally {
      writeFileSync(lockFile, lock);
    }
    console.log("… unpacking servers");
    const node = path.join(into, "node_modules/.bin/node");
    must(
      node,
      ["--disable-warning=ExperimentalWarning", "dev/release/unpack-servers.ts", path.join(work, "debian")],
      into,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`MedVault is installed: cd ${into} && npm start`);
}

if (!target || values.help) console.log(HELP);
else
  await install(path.resolve(target)).catch((error) => {
    console.error(`medvault: ${error.message}`);
    process.exitCode = 1;
  });
