import { expect, test } from "vitest";
import { type Compared, hasFamilyName, relationOf } from "./relation.ts";

test.each([
  ["Anna Marsh", "Marsh", true],
  ["Dr. Anna MARSH", "marsh", true],
  ["Marsh, Anna", "Marsh", true],
  ["Änne Müller", "MÜLLER", true],
  ["Änne Mu\u0308ller", "Müller", true],
  ["Jan van der Berg", "van der Berg", true],
  ["Jan van der Berg", "Berg", true],
  ["Marsh", "Marsh", false], // a user name, or a given name alone
  ["Marsh Anna", "Marsh", false],
  ["Anna Marshall", "Marsh", false],
  ["Anna Marsh-O'Neil", "Marsh", false],
  ["Anna Marsh", "", false],
  ["", "Marsh", false],
])("%j is of the family %j: %s", (name, family, is) => expect(hasFamilyName(name, family)).toBe(is));

test("the closest relation counts, and an account of nobody's is none", () => {
  const all: Compared = {
    ...{ actorId: "a", actorName: "Anna Marsh", userId: "a", isColleague: true, familyName: "Marsh" },
  };
  expect(relationOf(all)).toBe("own");
  expect(relationOf({ ...all, userId: "b" })).toBe("colleague");
  expect(relationOf({ ...all, userId: "b", isColleague: false })).toBe("family_name");
  expect(relationOf({ ...all, userId: null, isColleague: false, familyName: "Weber" })).toBe(null);
  expect(relationOf({ ...all, userId: null, isColleague: false, actorName: null })).toBe(null);
});
