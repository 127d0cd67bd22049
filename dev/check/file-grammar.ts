// The grammar of names of files (CONTRIBUTING.md), and what a bare noun may import.
import path from "node:path";

const ROLES = [
  ...["errors", "events", "table", "service", "store", "client", "routes", "consumers"],
  ...["jobs", "job", "worker", "test", "testdata"],
];
const NAME = new RegExp(`^[a-z0-9]+(-[a-z0-9]+)*([.](${ROLES.join("|")}))?([.]test)?[.](ts|mjs)$`);
const FOLDER = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Bare names of a service that join things: at the top of src, and nowhere below. */
const JOINING = /^services\/[^/]+\/src\/(main|service|config|context|tables)[.]ts$/;

/** What a pure rule has no use for: files, networks, processes, databases, brokers. */
const IMPURE_MODULES =
  /^(node:(fs|fs\/promises|net|tls|http|https|http2|child_process|worker_threads)|pg|ioredis|undici|express|amqplib|nodemailer|@medvault\/postgres)$/;
const IMPURE_FILES = /[.](store|service|client)[.]ts$/;
/** Of node:net, what only reads text. */
const PURE_NAMES = ["isIP", "isIPv4", "isIPv6", "BlockList", "SocketAddress"];

/** `import` and `export … from` statements that are there when it runs: types are not. */
const IMPORT = /^(?:import|export)\s+(?!type\b)([^"';]*?)\s*(?:\bfrom\s+)?"([^"]+)"/gm;

/** @returns one sentence per breach of the names of these files, of services and libs */
export function nameBreaches(files: readonly string[]): string[] {
  const ours = files.filter((file) => /^(services|libs)\/[^/]+\/(src|test)\//.test(file));
  const breaches = ours.flatMap((file) => {
    const [, , top, ...inside] = file.split("/");
    const name = inside.pop() ?? "";
    if (top === "test" && name.includes(".test.")) return [`${file}: a test stands beside its code`];
    const isKnown = NAME.test(name) && inside.every((folder) => FOLDER.test(folder));
    return isKnown ? [] : [`${file}: a name is kebab-case, then a role: ${ROLES.join(", ")}`];
  });
  return [...breaches, ...loneFiles(ours)];
}

/** Folders of src that hold one file (and its tests) belong into their neighbour. */
function loneFiles(files: readonly string[]): string[] {
  const count = new Map<string, number>();
  const holds = new Set<string>();
  for (const file of files) {
    const folder = path.posix.dirname(file);
    holds.add(path.posix.dirname(folder));
    if (!/[.]test(data)?[.]ts$/.test(file)) count.set(folder, (count.get(folder) ?? 0) + 1);
  }
  return [...count]
    .filter(([folder, files]) => /\/src\/./.test(folder) && files === 1 && !holds.has(folder))
    .map(([folder]) => `${folder}: a folder of one file belongs into its neighbour`);
}

/** @returns one sentence per import by which a bare noun of a service is no pure rule */
export function purityBreaches(file: string, text: string): string[] {
  const isBareNoun = /^services\/[^/]+\/src\/(.*\/)?[^./]+[.]ts$/.test(file) && !JOINING.test(file);
  if (!isBareNoun) return [];
  return [...text.matchAll(IMPORT)]
    .filter(([, names = "", from = ""]) => !isHarmless(names) && isImpure(from))
    .map(([, , from]) => `${file}: a bare noun is a pure rule, and this one imports ${from}`);
}

const isImpure = (from: string): boolean => IMPURE_MODULES.test(from) || IMPURE_FILES.test(from);

/** `{ type A, isIP }`: nothing is left of it when it runs, or nothing that reaches outside. */
function isHarmless(names: string): boolean {
  const inside = /^\{([^}]*)\}$/.exec(names)?.[1];
  if (inside === undefined) return false;
  const each = inside.split(",").map((name) => name.trim());
  return each.every((name) => name === "" || name.startsWith("type ") || PURE_NAMES.includes(name));
}

/** Parts that run only when their service declares them. */
const DECLARED = /^(services\/[^/]+\/src\/)(.+[.](?:routes|jobs|consumers)[.]ts)$/;

/**
 * @param textOf the text of a file
 * @returns one sentence per routes, jobs or consumers that no service.ts declares
 */
export function undeclaredParts(files: readonly string[], textOf: (file: string) => string): string[] {
  return files.flatMap((file) => {
    const [, src, part] = DECLARED.exec(file) ?? [];
    if (src === undefined || !files.includes(`${src}service.ts`)) return [];
    return textOf(`${src}service.ts`).includes(`"./${part}"`)
      ? []
      : [`${file}: service.ts does not import it, so it never runs`];
  });
}
