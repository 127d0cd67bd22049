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
    indexes: { name: "substring", phone: "exact" },
    fewValues: ["sex"],
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
  const keys = { name: Buffer.alloc(32, 1), phone: Buffer.alloc(32, 2) };
  expect(people.indexTokens(keys, value)).toEqual({ name: [], phone: null });
  expect(people.queryTokens(keys, "name", "mar")).toBeNull();
  expect(people.queryTokens(keys, "phone", value.phone)).toBeNull();
  expect(people.matches(value, "name", "mar")).toBe(true);
});

test("a switched-off index comes back when the policy says so", async () => {
  const keys = { name: Buffer.alloc(32, 1), phone: Buffer.alloc(32, 2) };
  const before = people.indexTokens(keys, value);
  await apply({ services: { records: { people: { fields: { name: { index: "none" } } } } } });
  await apply({ services: { records: { people: { fields: { name: { index: "substring" } } } } } });
  expect(people.indexTokens(keys, value)).toEqual(before);
});

test("an index is added where a search asks for the field, and may be of another kind where the table has room for it", async () => {
  const roomy = sealedTable<Person>({
    ...people.declaration,
    searchable: ["town"],
    alwaysSealed: [],
    notText: ["name"],
    indexes: { phone: "exact" },
  });
  const file = join(folder, "added.json");
  const change = async (fields: object) => {
    await writeFile(file, JSON.stringify({ services: { records: { people: { fields } } } }));
    await applyPolicy({ file, service: "records", tables: [roomy] });
    return roomy.declaration;
  };
  expect(await change({ town: { index: "exact" }, phone: { index: "substring" } })).toMatchObject({
    addedIndexes: { town: "exact", phone: "substring" },
    indexesOff: ["phone"],
  });
  const keys = { town: Buffer.alloc(32, 1), phone: Buffer.alloc(32, 2) };
  const { phone, added_tokens: added } = roomy.indexTokens(keys, value);
  expect(phone).toBeNull();
  expect((added as string[]).filter((token) => token.startsWith("town/"))).toEqual(
    roomy.queryTokens(keys, "town", "DELFT"),
  );
  expect(added).toEqual(expect.arrayContaining(roomy.queryTokens(keys, "phone", "555") as string[]));
  expect(roomy.matches(value, "phone", "0123")).toBe(true);
  expect(roomy.matches(value, "town", "delf")).toBe(false);
  // Without its key in place there is nothing to look for, and nothing to store.
  expect(roomy.queryTokens({ town: null, phone: null }, "town", "Delft")).toBeNull();
  expect(roomy.indexTokens({ town: null, phone: null }, value).added_tokens).toEqual([]);
  await expect(change({ name: { index: "exact" } })).rejects.toThrow(
    /name holds nothing that could be indexed/,
  );
  expect(await change({ town: { index: "none" }, phone: { index: "exact" } })).toMatchObject({
    addedIndexes: {},
    indexesOff: [],
  });
});

test("a policy says which fields the index in memory holds, of those that a search asks for", async () => {
  const table = () =>
    sealedTable<Person>({
      ...people.declaration,
      indexes: {},
      alwaysSealed: [],
      search: { name: true, town: true, phone: false },
    });
  const searched = async (fields: object) => {
    const file = join(folder, "searched.json");
    await writeFile(file, JSON.stringify({ services: { records: { people: { fields } } } }));
    const changed = table();
    await applyPolicy({ file, service: "records", tables: [changed] });
    return searchedFields(changed.declaration);
  };
  expect(await searched({})).toEqual(["name", "town"]);
  expect(await searched({ name: { index: "none" }, phone: { index: "search" } })).toEqual(["town", "phone"]);
  expect(await searched({ name: { mask: "edges" }, phone: { index: "none" } })).toEqual(["name", "town"]);
  await expect(searched({ sex: { index: "search" } })).rejects.toThrow(/sex is in no search/);
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
            town: { index: "exact", store: "open" },
            phone: { index: "substring", store: "open" },
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
    expect.stringMatching(/^records.people.sex has too few values to be indexed/),
    "records.people.town is in no search: an index would give hints about it and find nothing",
    "records.people.phone is a secret and stays sealed",
    "records.people.phone has an index of kind exact, and no column for another",
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
    expect(await apply({ digest })).toEqual({ digest: digest.toLowerCase() });
  }
  expect(await apply({})).toEqual({ digest: "sha256" });
  expect(await applyPolicy({ file: undefined, service: "records", tables: [] })).toEqual({
    digest: "sha256",
  });
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
