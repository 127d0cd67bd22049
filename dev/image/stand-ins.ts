// The images that ours are made of and run beside, where no registry of images can be reached: of
// Debian's packages, under the official names. What they lack is the official images' own scripts.
import fs from "node:fs";
import path from "node:path";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import { inPath } from "../servers/find.ts";

const BUILDER = "docker.io/library/node:24-slim";
const RUNTIME = "gcr.io/distroless/cc-debian12:nonroot";
const SERVERS = "localhost/medvault-stand-in-servers:1";
const official = (name: string) => `docker.io/${name.includes("/") ? "" : "library/"}${name}`;

const BASE = ["base-files", "base-passwd", "netbase", "ca-certificates", "tzdata"];
const LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6", "libssl3"];
const SHELL = ["dash", "coreutils", "findutils", "grep", "sed"];
const SERVER_PACKAGES = ["postgresql-15", "redis-server", "rabbitmq-server", "libc-bin", "gawk", "hostname"];

/** Docker's own script does this too, at the first start. */
const POSTGRES_ENTRYPOINT = `#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --pgdata="$PGDATA" $POSTGRES_INITDB_ARGS
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
fi
exec "$@"
`;

/** Makes those of the images that are not on this machine. Gives their names. */
export async function makeStandIns(
  servers: Record<"postgres" | "redis" | "rabbitmq" | "prometheus", string>,
): Promise<string[]> {
  const work = fs.mkdtempSync(path.join(root, ".data/stand-ins-"));
  try {
    const made: string[] = [];
    const missing = async (image: string) => {
      const isThere = (await run("podman", ["image", "exists", image], { cwd: work })).code === 0;
      if (!isThere) made.push(image);
      return !isThere;
    };
    if (await missing(RUNTIME)) await makeRuntime(work);
    if (await missing(BUILDER)) await makeBuilder(work);
    if (await missing(official(servers.prometheus))) await makePrometheus(work, official(servers.prometheus));
    const [postgres, redis, rabbitmq] = [servers.postgres, servers.redis, servers.rabbitmq].map(official) as [
      string,
      string,
      string,
    ];
    const wanted = [await missing(postgres), await missing(redis), await missing(rabbitmq)];
    if (wanted.includes(true)) await makeServers(work, { postgres, redis, rabbitmq });
    return made;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function makeRuntime(work: string): Promise<void> {
  const dir = await unpacked(work, "runtime", [...BASE, ...LIBRARIES]);
  addUser(dir, "nonroot", 65_532);
  await imported(dir, RUNTIME);
}

/** With the Node and npm of this checkout and machine. */
async function makeBuilder(work: string): Promise<void> {
  const dir = await unpacked(work, "builder", [...BASE, ...LIBRARIES, ...SHELL]);
  if (!fs.existsSync(path.join(dir, "bin/sh"))) fs.symlinkSync("dash", path.join(dir, "bin/sh"));
  const local = path.join(dir, "usr/local");
  for (const sub of ["bin", "etc", "lib/node_modules"])
    fs.mkdirSync(path.join(local, sub), { recursive: true });
  fs.copyFileSync(fs.realpathSync(process.execPath), path.join(local, "bin/node"));
  const [npm] = inPath("npm").filter((place) => !place.includes("node_modules"));
  if (!npm) throw new Trouble("npm is not installed: install it (Debian: apt install npm).");
  const command = fs.realpathSync(path.join(npm, "npm")); // …/npm/bin/npm-cli.js
  fs.cpSync(path.resolve(command, "../.."), path.join(local, "lib/node_modules/npm"), { recursive: true });
  fs.symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", path.join(local, "bin/npm"));
  // What this machine trusts, npm trusts there.
  const authorities = "etc/ssl/certs/ca-certificates.crt";
  fs.mkdirSync(path.join(dir, path.dirname(authorities)), { recursive: true });
  fs.copyFileSync(`/${authorities}`, path.join(dir, authorities));
  fs.writeFileSync(path.join(local, "etc/npmrc"), `cafile=/${authorities}\n`);
  await imported(dir, BUILDER);
}

/** One file system for the three of them: a different user name and start in each. */
async function makeServers(
  work: string,
  names: Record<"postgres" | "redis" | "rabbitmq", string>,
): Promise<void> {
  const dir = await unpacked(work, "servers", [...BASE, ...SHELL, ...SERVER_PACKAGES]);
  if (!fs.existsSync(path.join(dir, "bin/sh"))) fs.symlinkSync("dash", path.join(dir, "bin/sh"));
  for (const [name, home] of [
    ["postgres", "lib/postgresql/data"],
    ["redis", "lib/redis"],
    ["rabbitmq", "lib/rabbitmq"],
  ] as const) {
    const place = path.join(dir, "var", home);
    fs.mkdirSync(place, { recursive: true });
    await ran("chown", ["-R", "999:999", place]);
    if (name === "rabbitmq") addUser(dir, "rabbitmq", 999, "/var/lib/rabbitmq");
  }
  fs.mkdirSync(path.join(dir, "data"));
  fs.chownSync(path.join(dir, "data"), 999, 999);
  fs.mkdirSync(path.join(dir, "usr/local/bin"), { recursive: true });
  fs.writeFileSync(path.join(dir, "usr/local/bin/postgres-entrypoint"), POSTGRES_ENTRYPOINT, { mode: 0o755 });
  const programs = fs.globSync(["usr/lib/postgresql/*/bin", "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"], {
    cwd: dir,
  });
  const PATH = [...programs.map((place) => `/${place}`), "/usr/local/bin", "/usr/bin", "/bin"].join(":");
  await imported(dir, SERVERS);
  const tag = async (image: string, lines: string[]) => {
    const file = path.join(work, "Containerfile");
    fs.writeFileSync(file, [`FROM ${SERVERS}`, `ENV PATH=${PATH} LANG=C.UTF-8`, ...lines].join("\n"));
    await ran("buildah", ["bud", "--isolation=chroot", "--pull-never", "--tag", image, "--file", file, work]);
  };
  await tag(names.postgres, [
    "ENV PGDATA=/var/lib/postgresql/data",
    "STOPSIGNAL SIGINT",
    'ENTRYPOINT ["postgres-entrypoint"]',
  ]);
  await tag(names.redis, []);
  await tag(names.rabbitmq, ["ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=-", 'CMD ["rabbitmq-server"]']);
}

async function makePrometheus(work: string, name: string): Promise<void> {
  const dir = await unpacked(work, "prometheus", [...BASE, "prometheus"]);
  fs.mkdirSync(path.join(dir, "prometheus"));
  await ran("chown", ["65534:65534", path.join(dir, "prometheus")]);
  await imported(dir, name, 'ENTRYPOINT ["/usr/bin/prometheus"]', "ENV PATH=/usr/bin:/bin");
}

/** Debian 12's packages with all that they depend on, unpacked and not configured. */
async function unpacked(work: string, name: string, packages: readonly string[]): Promise<string> {
  const dir = path.join(work, name);
  const tar = `${dir}.tar`;
  await ran("mmdebstrap", ["--variant=extract", `--include=${packages.join(",")}`, "bookworm", tar]);
  fs.mkdirSync(dir);
  await ran("tar", ["--extract", "--file", tar, "--directory", dir]);
  fs.rmSync(tar);
  return dir;
}

function addUser(dir: string, name: string, id: number, home = "/"): void {
  fs.appendFileSync(path.join(dir, "etc/passwd"), `${name}:x:${id}:${id}::${home}:/bin/false\n`);
  fs.appendFileSync(path.join(dir, "etc/group"), `${name}:x:${id}:\n`);
}

async function imported(dir: string, image: string, ...changes: string[]): Promise<void> {
  const tar = `${dir}.tar`;
  await ran("tar", ["--create", "--file", tar, "--directory", dir, "."]);
  const settings = changes.flatMap((change) => ["--change", change]);
  await ran("podman", ["import", "--quiet", ...settings, tar, image]);
  fs.rmSync(tar);
}

async function ran(program: string, args: readonly string[]) {
  const result = await run(program, args, { cwd: root });
  if (result.code !== 0)
    throw new Trouble(
      `${program} ${args.slice(0, 3).join(" ")} … failed: ${result.words.trim().slice(-600)}`,
    );
  return result;
}
