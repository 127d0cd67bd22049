import { expect, test } from "vitest";
import { maskEdges } from "./mask.ts";

test("the first character and the last four are shown, and the length is not", () => {
  expect(maskEdges("S1234567D")).toBe("S••••567D");
  expect(maskEdges("S12345678901234567D")).toBe("S••••567D");
  expect(maskEdges("91234567")).toBe("9••••4567");
  expect(maskEdges("😀234567😀")).toBe("😀••••567😀");
});

test("what is short is hidden but for its first character, what is very short wholly", () => {
  expect(maskEdges("1234567")).toBe("1••••");
  expect(maskEdges("1234")).toBe("1••••");
  expect(["", "a", "abc"].map(maskEdges)).toEqual(["••••", "••••", "••••"]);
});

test("nothing stays nothing, and what is no text is hidden", () => {
  expect(maskEdges(null)).toBeNull();
  expect(maskEdges(undefined)).toBeUndefined();
  expect([42, { a: 1 }, ["x"]].map(maskEdges)).toEqual(["••••", "••••", "••••"]);
});
