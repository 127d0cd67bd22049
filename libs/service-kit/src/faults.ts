import type { FieldFault } from "@medvault/contracts";
import { z } from "zod";

const NEEDED = "is needed";
const MAX_UNKNOWN_FIELDS = 10;

type Issue = z.core.$ZodIssue;

/** The faults that an issue of zod stands for: a path, a code and words, never the value. */
export function faultsOf(issue: Issue): FieldFault[] {
  if (issue.code === "invalid_union") {
    const meant = issue.errors.filter((faults) => !faults.some(isOfWholeForm));
    const [faults] = meant;
    if (faults && meant.length === 1) {
      return faults.flatMap((fault) => faultsOf({ ...fault, path: [...issue.path, ...fault.path] }));
    }
  }
  const path = issue.path.map(String).join(".");
  if (issue.code !== "unrecognized_keys") {
    const { code, params } = codeOf(issue);
    return [{ path, code, message: issue.message, ...(params && { params }) }];
  }
  // The message would quote the keys, which are the caller's text: named in the path, cut short.
  return issue.keys.slice(0, MAX_UNKNOWN_FIELDS).map((key) => ({
    path: [path, key.slice(0, 64)].filter(Boolean).join("."),
    code: "unknown_field",
    message: "is not a known field",
  }));
}

/** Of a value with several forms, a fault of this kind says that another one was meant. */
const isOfWholeForm = ({ code, path }: Issue): boolean => code === "invalid_type" && path.length === 0;

function codeOf(issue: Issue): Pick<FieldFault, "params"> & { code: string } {
  if (issue.message === NEEDED) return { code: "required" };
  switch (issue.code) {
    case "too_small":
      return { code: "too_small", params: { minimum: Number(issue.minimum) } };
    case "too_big":
      return { code: "too_big", params: { maximum: Number(issue.maximum) } };
    case "invalid_format":
      return { code: "invalid_format", params: { format: issue.format } };
    case "invalid_type":
      return { code: "invalid_type", params: { expected: issue.expected } };
    case "invalid_value":
      return { code: "invalid_value", params: { values: issue.values.map(String).join(", ") } };
    case "custom":
      return { code: typeof issue.params?.code === "string" ? issue.params.code : "invalid" };
    default:
      return { code: "invalid" };
  }
}

/** What a schema says that has no words of its own. */
const plainWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? NEEDED : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case "too_small":
      return `must ${size(issue.origin, "at least", Number(issue.minimum))}`;
    case "too_big":
      return `must ${size(issue.origin, "at most", Number(issue.maximum))}`;
    case "invalid_format":
      return FORMATS[issue.format] ?? "does not have the expected form";
    case "invalid_value":
      if (issue.input === undefined) return NEEDED;
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return issue.input === undefined ? NEEDED : "does not have any of the expected forms";
    default:
      return undefined;
  }
};

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  int: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

const FORMATS: Readonly<Record<string, string>> = {
  uuid: "must be an id (a UUID)",
  email: "must be a mail address",
  date: "must be a date such as 2026-01-31",
  datetime: "must be a time such as 2026-01-31T09:30:00Z",
  base64: "must be base64",
  base64url: "must be base64url",
};

function size(origin: string, bound: string, count: number): string {
  const unit = { string: "character", array: "item", set: "item", map: "item" }[origin];
  if (!unit) return `be ${bound} ${count}`;
  if (bound === "at least" && count === 1) return "not be empty";
  return `have ${bound} ${count} ${unit}${count === 1 ? "" : "s"}`;
}

// For all schemas of a process, not of requests alone: a bundle's entry, say.
z.config({ customError: plainWords });
