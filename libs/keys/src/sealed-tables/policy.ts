import { readFile } from "node:fs/promises";
import { AlgorithmRefused, DEFAULT_DIGEST, type Digest, parseDigest, parseSuite } from "@medvault/crypto";
import { z } from "zod";
import { PolicyInvalid } from "../errors.ts";
import type { TableDeclaration } from "./declaration.ts";
import type { SealedTable } from "./sealed-table.ts";

const FieldPolicy = z.strictObject({
  store: z.enum(["sealed", "open"]).optional(),
  index: z.enum(["none", "exact", "substring", "search"]).optional(),
  mask: z.enum(["none", "edges"]).optional(),
});
const TablePolicy = z.strictObject({
  suite: z.string().max(50).optional(),
  fields: z.record(z.string(), FieldPolicy).optional(),
});
const PolicyFile = z.strictObject({
  digest: z.string().max(50).optional(),
  services: z.record(z.string(), z.record(z.string(), TablePolicy)).optional(),
});
type PolicyFile = z.infer<typeof PolicyFile>;
type TablePolicy = z.infer<typeof TablePolicy>;
type FieldPolicy = z.infer<typeof FieldPolicy>;

// audit and backup have no declared tables.
const WITH_POLICY: readonly string[] = ["auth", "records", "files"];

/** What a policy needs of a declared table, whatever its rows are. */
export type PolicyTable = Pick<SealedTable<object>, "declaration" | "adopt">;

export interface PolicyOptions {
  /** The policy file, JSON; without one every table keeps its declaration. */
  readonly file: string | undefined;
  readonly service: string;
  /** All declared tables of the service. */
  readonly tables: readonly PolicyTable[];
}

/** What of a policy is for the whole deployment. */
export interface DeploymentPolicy {
  /** What was taken otherwise than it is written, in words: for the log. */
  readonly warnings: readonly string[];
  /** The digest of signed content. What was written under another one says so and is checked so. */
  readonly digest: Digest;
}

/**
 * Has the tables of a service follow the operator's policy, before anything is sealed or opened.
 * New writes are made by it at once; what was written before still opens, until `keys reseal`.
 * Throws PolicyInvalid, which names every fault at once; nothing has changed then.
 */
export async function applyPolicy({ file, service, tables }: PolicyOptions): Promise<DeploymentPolicy> {
  if (file === undefined) return { digest: DEFAULT_DIGEST, warnings: [] };
  const policy = await readPolicy(file);
  const faults = unknownServices(policy);
  const digest = refusedOr(() => parseDigest(policy.digest ?? DEFAULT_DIGEST), faults);
  const ours = policy.services?.[service] ?? {};
  const warnings: string[] = [];
  const adoptions: (() => void)[] = [];
  for (const [name, tablePolicy] of Object.entries(ours)) {
    const table = tables.find(({ declaration }) => declaration.table === name);
    if (!table) {
      faults.push(`${service}.${name} is not a table with sealed fields`);
      continue;
    }
    const changed = changedDeclaration(table.declaration, tablePolicy, faults, warnings);
    adoptions.push(() => table.adopt(changed));
  }
  if (faults.length > 0 || digest === null) throw new PolicyInvalid(faults);
  for (const adopt of adoptions) adopt();
  return { digest, warnings };
}

async function readPolicy(file: string): Promise<PolicyFile> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch {
    throw new PolicyInvalid([`${file} is not there, cannot be read or is not JSON`]);
  }
  const parsed = PolicyFile.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new PolicyInvalid(
    parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the policy"}: ${message}`),
  );
}

function unknownServices({ services = {} }: PolicyFile): string[] {
  return Object.keys(services)
    .filter((name) => !WITH_POLICY.includes(name))
    .map((name) => `${name} takes no policy, only ${WITH_POLICY.join(", ")} do`);
}

/** The declaration under the policy. All faults and warnings are added to their lists. */
function changedDeclaration(
  declaration: TableDeclaration,
  { suite, fields = {} }: TablePolicy,
  faults: string[],
  warnings: string[],
): TableDeclaration {
  const { service, table, exact = [] } = declaration;
  const sealed = new Set(declaration.sealed);
  const open = new Set(declaration.open);
  const off = new Set(declaration.exactOff);
  const masks = { ...declaration.masks };
  const search = { ...declaration.search };
  const known = suite === undefined ? null : refusedOr(() => parseSuite(suite), faults);
  for (const [name, policy] of Object.entries(fields)) {
    const place = `${service}.${table}.${name}`;
    if (!declaration.sealed.includes(name) && !declaration.open?.includes(name)) {
      const isTyped = declaration.typed.includes(name);
      faults.push(`${place} is ${isTyped ? "a column that queries need, no sealed field" : "not a field"}`);
      continue;
    }
    if (policy.store === "open") move(name, sealed, open);
    if (policy.store === "sealed") move(name, open, sealed);
    if (policy.store === "open" && declaration.alwaysSealed?.includes(name)) {
      faults.push(`${place} is a secret and stays sealed`);
    }
    if (policy.mask === "edges") masks[name] = "edges";
    if (policy.mask === "none") delete masks[name];
    if (policy.index === undefined) continue;
    const index = meantBy(policy.index, exact.includes(name));
    const fault = indexFault(declaration, name, index);
    if (fault) faults.push(`${place} ${fault}`);
    if (fault) continue;
    if (index !== policy.index) warnings.push(`${place} has the index "${policy.index}": ${TAKEN_AS_SEARCH}`);
    if (index === "none") off.add(name);
    else off.delete(name);
    if (search[name] !== undefined) search[name] = index === "search";
  }
  if (sealed.size === 0) faults.push(`${service}.${table} would have nothing sealed`);
  return {
    ...declaration,
    sealed: [...sealed],
    open: [...open],
    exactOff: exact.filter((name) => off.has(name)),
    search,
    masks,
    ...(known === null ? {} : { suite: known }),
  };
}

const TAKEN_AS_SEARCH =
  'it is taken as "search". Any part of it is found by an index in memory, and no table holds a token of it.';

/** Parts of words are found in memory alone, and so is a value whose table has no token of it. */
function meantBy(index: NonNullable<FieldPolicy["index"]>, hasToken: boolean): "none" | "exact" | "search" {
  if (index === "substring") return "search";
  return index === "exact" && !hasToken ? "search" : index;
}

function indexFault(
  { exact = [], alwaysIndexed = [], search = {} }: TableDeclaration,
  name: string,
  index: "none" | "exact" | "search",
): string | null {
  if (index === "exact") return null;
  if (alwaysIndexed.includes(name)) return "keeps its index: nothing else finds its rows";
  if (index === "none" || search[name] !== undefined) return null;
  return exact.includes(name)
    ? "is found by its whole value only"
    : "is in no search: nothing would ask for it";
}

function move(name: string, from: Set<string>, to: Set<string>): void {
  from.delete(name);
  to.add(name);
}

function refusedOr<T>(parse: () => T, faults: string[]): T | null {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof AlgorithmRefused)) throw error;
    faults.push(error.message);
    return null;
  }
}
