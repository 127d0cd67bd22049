import { generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { givenDataDir, runCommand } from "../test/harness.ts";
import { changelogFaults } from "./changelog.ts";
import { releaseBlocks, type Standing } from "./conditions.ts";
import { versionBefore } from "./git.ts";
import { pinnedCompose, pinnedPods } from "./manifests.ts";
import { envelopeOf, signingKey, statementOf } from "./provenance.ts";
import { filesOf, PROVENANCE, releaseFaults, SBOM, SUMS, sha256Of } from "./verify.mjs";

const HASH = Buffer.alloc(64, 7);
const LOCK = {
  packages: { "node_modules/pg": { version: "8.23.1", integrity: `sha512-${HASH.toString("base64")}` } },
};
const LIBRARY = {
  type: "library",
  name: "pg",
  version: "8.23.1",
  hashes: [{ content: HASH.toString("hex") }],
};
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const pem = (key: typeof publicKey) => key.export({ type: "spki", format: "pem" }).toString();

/** A small release, as npm run release lays one out. */
async function givenRelease(o: { key?: typeof privateKey | null; library?: object } = {}): Promise<string> {
  const dir = givenDataDir();
  const sources = path.join(givenDataDir(), "medvault-1.0.0");
  fs.mkdirSync(sources);
  fs.writeFileSync(path.join(sources, "package-lock.json"), JSON.stringify(LOCK));
  const { code } = await run(
    "tar",
    ["-cf", `${sources}.tar`, "-C", path.dirname(sources), "medvault-1.0.0"],
    { cwd: "/" },
  );
  expect(code).toBe(0);
  fs.writeFileSync(
    path.join(dir, "medvault-1.0.0-source.tar.gz"),
    gzipSync(fs.readFileSync(`${sources}.tar`)),
  );
  fs.writeFileSync(path.join(dir, "medvault-1.0.0-image.tar"), "an image");
  fs.writeFileSync(path.join(dir, "offline.tar"), "packages".repeat(1_000));
  fs.writeFileSync(
    path.join(dir, SBOM),
    JSON.stringify({ components: [{ type: "application", name: "node" }, o.library ?? LIBRARY] }),
  );
  const sums = async () =>
    new Map(
      await Promise.all(
        filesOf(dir).map(async (name) => [name, await sha256Of(path.join(dir, name))] as const),
      ),
    );
  const inputs = {
    version: "1.0.0",
    commit: "c".repeat(40),
    node: "v24.0.0",
    tools: {},
    locks: {},
    images: [],
  };
  const key = o.key === undefined ? privateKey : o.key;
  fs.writeFileSync(
    path.join(dir, PROVENANCE),
    JSON.stringify(envelopeOf(statementOf(await sums(), inputs), key)),
  );
  fs.writeFileSync(
    path.join(dir, SUMS),
    [...(await sums())].map(([name, sum]) => `${sum}  ${name}\n`).join(""),
  );
  return dir;
}

const signed = { publicKey: pem(publicKey) };

test("a release is as it was made, and one that nobody signed is taken only where that is said", async () => {
  expect(await releaseFaults(await givenRelease(), signed)).toEqual([]);
  const unsigned = await givenRelease({ key: null });
  expect(await releaseFaults(unsigned, { isUnsignedFine: true })).toEqual([]);
  expect(await releaseFaults(unsigned, {})).toEqual([
    expect.stringContaining("Nobody has signed it: ask for"),
  ]);
  expect(await releaseFaults(unsigned, signed)).toEqual([
    expect.stringContaining("Nobody has signed it, though"),
  ]);
});

test("a file that is changed, cut short, missing or added is named", async () => {
  const damage: [string, (dir: string) => void, string][] = [
    [
      "changed",
      (dir) => fs.appendFileSync(path.join(dir, "medvault-1.0.0-image.tar"), "x"),
      "medvault-1.0.0-image.tar is not as it was made",
    ],
    [
      "cut short",
      (dir) => fs.truncateSync(path.join(dir, "offline.tar"), 4_000),
      "offline.tar is not as it was made",
    ],
    ["missing", (dir) => fs.rmSync(path.join(dir, "offline.tar")), "offline.tar is missing."],
    ["added", (dir) => fs.writeFileSync(path.join(dir, "more.sh"), ""), "more.sh is no part of the release."],
    ["without sums", (dir) => fs.rmSync(path.join(dir, SUMS)), "SHA256SUMS is missing"],
    ["damaged sums", (dir) => fs.truncateSync(path.join(dir, SUMS), 100), "SHA256SUMS is damaged."],
    [
      "sums that lead out",
      (dir) => fs.appendFileSync(path.join(dir, SUMS), `${"a".repeat(64)}  ../x\n`),
      "SHA256SUMS is damaged.",
    ],
  ];
  for (const [how, spoil, fault] of damage) {
    const dir = await givenRelease();
    spoil(dir);
    expect(await releaseFaults(dir, signed), how).toEqual([expect.stringContaining(fault)]);
  }
});

test("who changes a file and its checksum, or signs with another key, is found by the signature", async () => {
  const dir = await givenRelease();
  const image = path.join(dir, "medvault-1.0.0-image.tar");
  const before = await sha256Of(image);
  fs.writeFileSync(image, "another image");
  const sums = fs.readFileSync(path.join(dir, SUMS), "utf8").replace(before, await sha256Of(image));
  fs.writeFileSync(path.join(dir, SUMS), sums);
  expect(await releaseFaults(dir, signed)).toEqual([
    `medvault-1.0.0-image.tar is not the file that ${PROVENANCE} names.`,
  ]);

  const other = generateKeyPairSync("ed25519");
  const theirs = await givenRelease({ key: other.privateKey });
  expect(await releaseFaults(theirs, signed)).toEqual([expect.stringContaining("not signed by this key")]);
  expect(await releaseFaults(theirs, { isUnsignedFine: true })).toEqual([
    expect.stringContaining("It is signed: say by which key"),
  ]);
});

test.each([
  ["another version", { ...LIBRARY, version: "8.23.2" }],
  ["another hash", { ...LIBRARY, hashes: [{ content: "00" }] }],
  ["another name", { ...LIBRARY, name: "pq" }],
])("a bill of materials with %s than the lock file is refused", async (_, library) => {
  expect(await releaseFaults(await givenRelease({ library }), signed)).toEqual([
    expect.stringMatching(
      /^sbom\.cdx\.json names p[gq] 8\.23\.[12], which the lock file does not know so\.$/,
    ),
  ]);
});

test("release:verify ends with 1 and names what is wrong, or with 0", async () => {
  const dir = await givenRelease();
  const key = path.join(givenDataDir(), "release.pub");
  fs.writeFileSync(key, pem(publicKey));
  const fine = await runCommand("release-verify.mjs", [dir, "--public-key", key], {});
  expect(fine).toMatchObject({ code: 0, said: expect.stringContaining("signed by this key") });
  fs.truncateSync(path.join(dir, "offline.tar"), 10);
  const bad = await runCommand("release-verify.mjs", [dir, "--public-key", key], {});
  expect(bad).toMatchObject({
    code: 1,
    said: expect.stringContaining("✗ offline.tar is not as it was made"),
  });
});

test("a key that others can read, of another kind, or that is none signs nothing", () => {
  const file = path.join(givenDataDir(), "key.pem");
  expect(() => signingKey(file)).toThrow("is not there");
  fs.writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o644 });
  expect(() => signingKey(file)).toThrow("Others than you can read");
  fs.chmodSync(file, 0o600);
  expect(signingKey(file).asymmetricKeyType).toBe("ed25519");
  fs.writeFileSync(
    file,
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }),
  );
  expect(() => signingKey(file)).toThrow("no Ed25519 key");
  fs.writeFileSync(file, "nothing");
  expect(() => signingKey(file)).toThrow("no private key");
});

const COMMIT = "a".repeat(40);
const READY: Standing = {
  version: "0.3.0",
  branch: "main",
  changed: [],
  commit: COMMIT,
  tags: new Map([["v0.2.0", "b".repeat(40)]]),
  changelog:
    "# Changelog\n\n## Unreleased\n\n## 0.3.0 (2026-12-01)\n\n### Upgrading\n\nNothing to do; back to 0.2.0 at any time.\n\n## 0.2.0 (2026-11-01)\n",
};

test.each<[string, Partial<Standing>, string]>([
  ["changed files", { changed: ["libs/a.ts"] }, "1 files are changed (libs/a.ts"],
  ["another branch", { branch: "try" }, "This is try, and releases are made of main"],
  ["no branch", { branch: null }, "This is no branch"],
  ["a tag elsewhere", { tags: new Map([["v0.3.0", "b".repeat(40)]]) }, "The tag v0.3.0 is there already"],
  ["an older version", { tags: new Map([["v0.10.0", COMMIT]]) }, "v0.3.0 is not newer than v0.10.0"],
  ["a version of another form", { version: "next" }, "is not of the form 1.2.3"],
])("nothing is released with %s", (_, change, fault) => {
  expect(releaseBlocks({ ...READY, ...change })[0]).toContain(fault);
});

test("what is ready is released, from main or from its own tag", () => {
  expect(releaseBlocks(READY)).toEqual([]);
  expect(releaseBlocks({ ...READY, branch: null, tags: new Map([["v0.3.0", COMMIT]]) })).toEqual([]);
});

test("the changelog has a section of the version that says how to upgrade, and whether one can go back", () => {
  const faults = (text: string) =>
    changelogFaults(`# Changelog\n\n## 0.3.0 (2026-12-01)\n\n${text}`, "0.3.0");
  expect(changelogFaults("## Unreleased\n", "0.3.0")).toEqual([expect.stringContaining("has no section")]);
  expect(changelogFaults("## 10.3.0 (2026-12-01)\n", "0.3.0")).toEqual([
    expect.stringContaining("has no section"),
  ]);
  expect(faults("### Faster\n")).toEqual([expect.stringContaining('says nothing under "### Upgrading"')]);
  expect(faults("### Upgrading\n\nBack: no.\n\n### Other\n\nmany more words are here")).toEqual([
    expect.stringContaining("is empty"),
  ]);
  expect(faults("### Upgrading\n\nStop every process first.\n")).toEqual([
    expect.stringContaining("whether one can go back"),
  ]);
  expect(faults("### Upgrading\n\nNothing to do; there is no way back.\n")).toEqual([]);
});

test("everything that names a version of MedVault names that of package.json", () => {
  const text = (file: string) => fs.readFileSync(path.join(root, file), "utf8");
  const { version } = JSON.parse(text("package.json")) as { version: string };
  expect((JSON.parse(text("openapi.json")) as { info: { version: string } }).info.version).toBe(version);
  expect(text("deploy/k8s/base/kustomization.yaml")).toContain(`newTag: ${version}\n`);
});

test("manifests name the image of the release, and no other of ours", () => {
  const compose = pinnedCompose(fs.readFileSync(path.join(root, "docker-compose.yml"), "utf8"), "1.2.3");
  expect(compose).toContain("image: medvault:1.2.3\n");
  expect(compose).not.toMatch(/medvault:local|build: \./);
  expect(() => pinnedCompose(compose, "1.2.3")).toThrow("otherwise than medvault:local");
  const pods = "  - image: registry.example/medvault:1.2.3\n  - image: medvault:1.2.3\n  - image: redis:8\n";
  const digest = `sha256:${"a".repeat(64)}`;
  expect(pinnedPods(pods, "1.2.3", digest)).toBe(pods.replaceAll("1.2.3", `1.2.3@${digest}`));
  for (const other of ["1.2.4", "11.2.3", "latest"])
    expect(() => pinnedPods(`${pods}  - image: medvault:${other}\n`, "1.2.3", digest), other).toThrow(
      "set newTag",
    );
});

test("without history, or in a clone that lacks it, the rehearsal of an upgrade says what to do", async () => {
  const dir = givenDataDir();
  await expect(versionBefore(undefined, dir)).rejects.toThrow("There is no git history here");
  const git = async (...args: string[]) =>
    expect(
      (await run("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...args], { cwd: dir })).code,
    ).toBe(0);
  await git("init", "--quiet");
  await git("commit", "--quiet", "--allow-empty", "--message", "one");
  await expect(versionBefore(undefined, dir)).rejects.toThrow("it is too short");
  await expect(versionBefore("v9.9.9", dir)).rejects.toThrow("There is no version v9.9.9");
  await git("tag", "v0.1.0");
  await git("commit", "--quiet", "--allow-empty", "--message", "two");
  expect(await versionBefore(undefined, dir)).toBe(
    (await run("git", ["rev-parse", "v0.1.0"], { cwd: dir })).out.trim(),
  );
});
