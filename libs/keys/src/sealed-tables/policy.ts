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
  /** The digest of signed content. What was written under another one says so and is checked so. */
  readonly digest: Digest;
}

/**
 * Has the tables of a service follow the operator's policy, before anything is sealed or opened.
 * New writes are made by it at once; what was written before still opens, until `keys reseal`.
 * Throws PolicyInvalid, which names every fault at once; nothing has changed then.
 */
export async function applyPolicy({ file, service, tables }: PolicyOptions): Promise<DeploymentPolicy> {
  if (file === undefined) return { digest: DEFAULT_DIGEST };
  const policy = await readPolicy(file);
  const faults = unknownServices(policy);
  const digest = refusedOr(() => parseDigest(policy.digest ?? DEFAULT_DIGEST), faults);
  const ours = policy.services?.[service] ?? {};
  const adoptions: (() => void)[] = [];
  for (const [name, tablePolicy] of Object.entries(ours)) {
    const table = tables.find(({ declaration }) => declaration.table === name);
    if (!table) {
      faults.push(`${service}.${name} is not a table with sealed fields`);
      continue;
    }
    const changed = changedDeclaration(table.declaration, tablePolicy, faults);
    adoptions.push(() => table.adopt(changed));
  }
  if (faults.length > 0 || digest === null) throw new PolicyInvalid(faults);
  for (const adopt of adoptions) adopt();
  return { digest };
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

/** The declaration under the policy. Faults are added to the list, all of them. */
function changedDeclaration(
  declaration: TableDeclaration,
  { suite, fields = {} }: TablePolicy,
  faults: string[],
): TableDeclaration {
  const { service, table, indexes = {} } = declaration;
  const sealed = new Set(declaration.sealed);
  const open = new Set(declaration.open);
  const off = new Set(declaration.indexesOff);
  const added = { ...declaration.addedIndexes };
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
    const fault = indexFault(declaration, name, policy.index);
    if (fault) faults.push(`${place} ${fault}`);
    if (policy.index === undefined || fault) continue;
    if (search[name] !== undefined) search[name] = isSearched(declaration, name, policy.index);
    if (policy.index === "search") continue;
    delete added[name];
    if (policy.index !== "none" && policy.index !== indexes[name]) added[name] = policy.index;
    if (indexes[name] === undefined) continue;
    if (policy.index === indexes[name]) off.delete(name);
    else off.add(name);
  }
  if (sealed.size === 0) faults.push(`${service}.${table} would have nothing sealed`);
  return {
    ...declaration,
    sealed: [...sealed],
    open: [...open],
    indexesOff: [...off],
    addedIndexes: added,
    masks,
    ...(declaration.search && { search }),
    ...(known === null ? {} : { suite: known }),
  };
}

/** By `exact` a field is searched in memory too where it is so by its declaration. */
const isSearched = ({ search }: TableDeclaration, name: string, index: string): boolean =>
  index === "exact" ? search?.[name] === true : index !== "none";

function indexFault(
  { indexes = {}, fewValues = [], notText = [], alwaysIndexed = [], searchable, search }: TableDeclaration,
  name: string,
  index: FieldPolicy["index"],
): string | null {
  if (index === undefined || indexes[name] === index) return null;
  if (alwaysIndexed.includes(name)) return "keeps its index: nothing else finds its rows";
  if (index === "none") return null;
  if (index === "search") {
    return search?.[name] === undefined ? "is in no search: nothing would ask for it" : null;
  }
  if (fewValues.includes(name)) {
    return "has too few values to be indexed: the frequencies of its tokens would give them away";
  }
  if (notText.includes(name)) return "holds nothing that could be indexed";
  if (indexes[name] !== undefined) {
    return searchable ? null : `has an index of kind ${indexes[name]}, and no column for another`;
  }
  return searchable?.includes(name)
    ? null
    : "is in no search: an index would give hints about it and find nothing";
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
