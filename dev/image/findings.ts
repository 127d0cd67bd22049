// What an image must be, whatever runs in it.
import fs from "node:fs";
import path from "node:path";
import { root } from "../lib/paths.mjs";
import { LIMITS, podman, type RunningCompose } from "./podman.ts";

const IMAGE = "localhost/medvault:local";
const MOST_BYTES = 275_000_000;
const USER = "65532";
/** What of a secret would lie in a file. */
const SECRET_FILES = /\.(pem|key|p12|env|eml)$|^(ops|secrets|\.npmrc|passwords)(\.json)?$/;
const SERVICES = ["gateway", "auth", "records", "files", "audit", "backup"] as const;

interface Inspected {
  Size: number;
  Config: { User: string; Env: string[]; Cmd: string[] };
}

/** One sentence per fault of the image; and its size, in MB. */
export async function imageFindings(): Promise<{ found: string[]; megabytes: number; packages: number }> {
  const [inspected] = JSON.parse(await podman("image", "inspect", IMAGE)) as [Inspected];
  const place = await podman("image", "mount", IMAGE);
  try {
    const app = path.join(place, "app");
    const installed = namesIn(app);
    const listed = listedIn(app);
    const found = [
      ...(inspected.Size > MOST_BYTES ? [`it takes ${inspected.Size} bytes, at most ${MOST_BYTES}`] : []),
      ...(inspected.Config.User.startsWith(USER) ? [] : [`its user is ${inspected.Config.User || "root"}`]),
      ...inspected.Config.Env.filter((line) => /PASSWORD|SECRET|TOKEN/.test(line)),
      ...developersPackages()
        .filter((name) => fs.existsSync(path.join(app, "node_modules", name)))
        .map((name) => `${name} is for developers`),
      ...[...installed].filter((name) => !listed.has(name)).map((name) => `${name} is not in sbom.cdx.json`),
      ...[...listed]
        .filter((name) => name !== "node" && !installed.has(name))
        .map((name) => `sbom.cdx.json names ${name}, which is not there`),
      ...filesOfOurs(app)
        .filter((file) => SECRET_FILES.test(path.basename(file)) || /\.test\.ts$/.test(file))
        .map((file) => `${file} does not belong there`),
      ...SERVICES.filter((name) => !fs.existsSync(path.join(app, `services/${name}/src/main.ts`))).map(
        (name) => `${name} is missing`,
      ),
      ...["bin/sh", "bin/bash"]
        .filter((shell) => fs.existsSync(path.join(place, shell)))
        .map((shell) => `it has a shell: ${shell}`),
    ];
    return { found, megabytes: Math.round(inspected.Size / 1e6), packages: installed.size };
  } finally {
    await podman("image", "unmount", IMAGE);
  }
}

/** What must start in it with nothing mounted, and as it will run: read-only, and nobody's. */
export async function entryFindings(): Promise<string[]> {
  const tools = fs
    .globSync("tools/*.ts", { cwd: root, exclude: ["**/*.test.ts", "**/config.ts"] })
    .map((file) => [file, "--help"]);
  const entries = [
    ...tools,
    ["tools/verify-proof.mjs", "--help"],
    ["--input-type=module", "--eval", "await import('@medvault/service-kit/telemetry'); process.exit()"],
    [
      "--eval",
      "if (process.getuid() !== 65532 || !fs.readdirSync(process.env.NODE_COMPILE_CACHE)[0].endsWith('-65532')) process.exit(1)",
    ],
  ];
  const tryAll = `
    for (const entry of ${JSON.stringify(entries)}) {
      const { status, stderr } = child_process.spawnSync(process.execPath, entry, { encoding: "utf8" });
      if (status !== 0) console.log(entry.join(" ") + ": " + (stderr.trim().split("\\n").pop() || status));
    }`;
  const bare = ["--network=none", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all"];
  const out = await podman("run", "--rm", ...LIMITS, ...bare, IMAGE, "--eval", tryAll);
  return out.split("\n").filter(Boolean);
}

/** What the kernel says of the running services. */
export async function processFindings(compose: RunningCompose): Promise<string[]> {
  const found: string[] = [];
  for (const name of SERVICES) {
    const read =
      "console.log(fs.readFileSync('/proc/1/status','utf8')); try { fs.writeFileSync('/app/x',''); console.log('Writable: 1') } catch {}";
    const status = await compose.exec(name, "node", "--eval", read);
    const value = (field: string) => new RegExp(`^${field}:\\s+(\\S+)`, "m").exec(status)?.[1];
    const facts = { Uid: USER, CapEff: "0000000000000000", NoNewPrivs: "1", Writable: undefined };
    for (const [field, expected] of Object.entries(facts))
      if (value(field) !== expected) found.push(`${name} runs with ${field} ${value(field)}`);
  }
  return found;
}

function namesIn(app: string): Set<string> {
  const dir = path.join(app, "node_modules");
  const names = fs.globSync(
    ["*/package.json", "@*/*/package.json", "**/node_modules/{*,@*/*}/package.json"],
    { cwd: dir },
  );
  const outside = names.filter((file) => !file.startsWith("@medvault/"));
  return new Set(outside.map((file) => path.dirname(file).split("node_modules/").at(-1) ?? ""));
}

function listedIn(app: string): Set<string> {
  const { components } = JSON.parse(fs.readFileSync(path.join(app, "sbom.cdx.json"), "utf8")) as {
    components: { name: string }[];
  };
  return new Set(components.map(({ name }) => name));
}

/** What package.json files ask for while developing, and nothing needs that runs. */
function developersPackages(): string[] {
  const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(
      ([place, { dev }]) =>
        dev && place.startsWith("node_modules/") && place.lastIndexOf("node_modules/") === 0,
    )
    .map(([place]) => place.slice("node_modules/".length));
}

function filesOfOurs(app: string): string[] {
  const exclude = (name: string) => name === "node_modules" || name === ".compile-cache";
  const found = fs.globSync("**/*", { cwd: app, exclude });
  return found.filter((file) => fs.statSync(path.join(app, file)).isFile());
}
