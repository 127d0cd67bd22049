import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readBoxHeader } from "@medvault/crypto";
import { beforeEach, expect, test } from "vitest";
import { givenFolder, testKeyring } from "../../test/harness.ts";
import { PolicyInvalid } from "../errors.ts";
import { newSubjectKey } from "../keyring/subject-keys.ts";
import { searchedFields } from "./declaration.ts";
import { applyPolicy, type DeploymentPolicy } from "./policy.ts";
import { sealedTable } from "./sealed-table.ts";

interface Person {
  id: string;
  rev: number;
  status: string;
  name: string;
  phone: string;
  sex: string;
  town: string;
}

const of = () =>
  sealedTable<Person>({
    service: "records",
    table: "people",
    subject: "id",
    typed: ["status"],
    sealed: ["name", "phone", "sex", "town"],
    masks: { phone: "edges" },
    exact: ["phone"],
    search: { name: true, town: true, phone: false },
    alwaysSealed: ["phone"],
  });
const value: Person = {
  id: "0198a000-0000-7000-8000-000000000001",
  rev: 1,
  status: "active",
  name: "Ada Marsh",
  phone: "+31 20 5550123",
  sex: "female",
  town: "Delft",
};
const keyring = testKeyring("records");
const subjectKey = newSubjectKey(keyring, value.id);

const folder = await givenFolder();
let people: ReturnType<typeof of>;
beforeEach(() => {
  people = of();
});

async function apply(policy: unknown): Promise<DeploymentPolicy> {
  const file = join(folder, "policy.json");
  await writeFile(file, typeof policy === "string" ? policy : JSON.stringify(policy));
  return applyPolicy({ file, service: "records", tables: [people] });
}
const faultsOf = async (policy: unknown): Promise<readonly string[]> => {
  const error = await apply(policy).then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(PolicyInvalid);
  return (error as PolicyInvalid).faults;
};

test("new writes follow a policy at once, and rows of before still open", async () => {
  const old = { ...people.seal(keyring, subjectKey, value), ...value, subject_key: subjectKey };
  await apply({
    digest: "sha256",
    services: {
      records: {
        people: {
          suite: "chacha20-poly1305",
          fields: {
            town: { store: "open", mask: "edges" },
            phone: { mask: "none", index: "none" },
            name: { index: "none" },
          },
        },
      },
    },
  });
  const box = people.seal(keyring, subjectKey, value);
  expect(box.open).toEqual({ town: "Delft" });
  expect(readBoxHeader(box.sealed).suite).toBe("chacha20-poly1305");
  expect(people.open(keyring, { ...box, ...value, subject_key: subjectKey })).toEqual(value);
  expect(people.open(keyring, old)).toEqual(value);
  expect(people.mask(value)).toMatchObject({ town: "D••••", phone: value.phone });
  const keys = { phone: Buffer.alloc(32, 2) };
  expect(people.indexTokens(keys, value)).toEqual({ phone: null });
  expect(people.queryTokens(keys, "phone", value.phone)).toBeNull();
  expect(people.matches(value, "phone", " +31 20  5550123")).toBe(true);
  expect(searchedFields(people.declaration)).toEqual(["town"]);
});

/** Which fields have a token, which are searched in memory, and the warnings, of a fresh table. */
async function under(fields: object) {
  people = of();
  const { warnings } = await apply({ services: { records: { people: { fields } } } });
  const { phone } = people.indexTokens({ phone: Buffer.alloc(32, 2) }, value);
  return { hasToken: phone !== null, searched: searchedFields(people.declaration), warnings };
}

test("a field has no index, a token of its whole value where its table has one, or is searched in memory", async () => {
  const warnings: string[] = [];
  expect(await under({})).toEqual({ hasToken: true, searched: ["name", "town"], warnings });
  expect(await under({ name: { index: "none" }, phone: { index: "none" } })).toEqual({
    hasToken: false,
    searched: ["town"],
    warnings,
  });
  expect(await under({ name: { index: "search" }, phone: { index: "exact" } })).toEqual({
    hasToken: true,
    searched: ["name", "town"],
    warnings,
  });
  // By its token it is still unique and matched when the index in memory is not loaded.
  const both = { hasToken: true, searched: ["name", "town", "phone"], warnings };
  expect(await under({ phone: { index: "search" } })).toEqual(both);
});

test("what was another index once is taken as a search in memory, with a word about what that means", async () => {
  const fields = {
    name: { index: "substring" },
    town: { index: "exact", mask: "edges" },
    phone: { index: "substring" },
  };
  expect(await under(fields)).toEqual({
    hasToken: true,
    searched: ["name", "town", "phone"],
    warnings: [
      expect.stringMatching(/^records.people.name has the index "substring": it is taken as "search"/),
      expect.stringMatching(/^records.people.town has the index "exact": it is taken as "search"/),
      expect.stringMatching(/^records.people.phone has the index "substring"/),
    ],
  });
});

test("an index that is off is on again when the policy says so", async () => {
  await under({ phone: { index: "none" } });
  await apply({ services: { records: { people: { fields: { phone: { index: "exact" } } } } } });
  expect(people.indexTokens({ phone: Buffer.alloc(32, 2) }, value).phone).toHaveLength(16);
});

test("every fault is named at once, and nothing of such a policy is followed", async () => {
  const declared = people.declaration;
  const faults = await faultsOf({
    digest: "md5",
    services: {
      backup: { backups: {} },
      records: {
        appointments: {},
        people: {
          suite: "blowfish",
          fields: {
            status: { store: "sealed" },
            shoe_size: { store: "open" },
            sex: { index: "exact" },
            phone: { index: "search", store: "open" },
          },
        },
      },
    },
  });
  expect(faults).toEqual([
    "backup takes no policy, only auth, records, files do",
    expect.stringMatching(/^md5 is refused: collisions/),
    "records.appointments is not a table with sealed fields",
    expect.stringMatching(/^blowfish is refused: its 64-bit blocks/),
    "records.people.status is a column that queries need, no sealed field",
    "records.people.shoe_size is not a field",
    "records.people.sex is in no search: nothing would ask for it",
    "records.people.phone is a secret and stays sealed",
  ]);
  expect(people.declaration).toBe(declared);
});

test("every refused cipher and digest is refused with its reason", async () => {
  for (const suite of ["des", "arc4", "blowfish", "cast-128"]) {
    const [fault] = await faultsOf({ services: { records: { people: { suite } } } });
    expect(fault).toMatch(new RegExp(`^${suite} is refused: its `));
  }
  for (const digest of ["md5", "sha1"]) expect(await faultsOf({ digest })).toHaveLength(1);
});

test("a deployment chooses one of four digests, and has SHA-256 where it chooses none", async () => {
  for (const digest of ["sha256", "sha512", "sha3-256", "SHA3-512"]) {
    expect(await apply({ digest })).toEqual({ digest: digest.toLowerCase(), warnings: [] });
  }
  const none = { digest: "sha256", warnings: [] };
  expect(await apply({})).toEqual(none);
  expect(await applyPolicy({ file: undefined, service: "records", tables: [] })).toEqual(none);
});

test("what is no policy is refused: not JSON, unknown members, other values, nothing left sealed, no file", async () => {
  expect(await faultsOf("{")).toHaveLength(1);
  expect(await faultsOf({ tables: {} })).toEqual([expect.stringContaining("tables")]);
  expect(
    await faultsOf({
      services: { records: { people: { fields: { name: { store: "plain", hide: true } } } } },
    }),
  ).toHaveLength(2);
  const open = Object.fromEntries(["name", "phone", "sex", "town"].map((name) => [name, { store: "open" }]));
  expect(await faultsOf({ services: { records: { people: { fields: open } } } })).toEqual([
    "records.people.phone is a secret and stays sealed",
    "records.people would have nothing sealed",
  ]);
  const none = applyPolicy({ file: join(folder, "none.json"), service: "records", tables: [people] });
  await expect(none).rejects.toThrow(PolicyInvalid);
  await applyPolicy({ file: undefined, service: "records", tables: [people] });
});
