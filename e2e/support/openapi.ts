import { readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { root } from "../../dev/lib/paths.mjs";

export interface Schema {
  $ref?: string;
  [keyword: string]: unknown;
}
export interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: Schema;
}
interface Response {
  headers?: Record<string, unknown>;
  content?: Record<string, { schema: Schema }>;
}
export interface Operation {
  method: string;
  path: string;
  tags: string[];
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema; example?: unknown }> };
  responses: Record<string, Response>;
}
type Item = Omit<Operation, "method" | "path" | "parameters"> & {
  parameters: (Parameter & { $ref?: string })[];
};

const document = JSON.parse(readFileSync(path.join(root, "openapi.json"), "utf8")) as {
  paths: Record<string, Record<string, Item>>;
};

/** What a reference of the document points at; anything else is itself. */
export function resolved<T>(value: T | { $ref?: string }): T {
  const ref = (value as { $ref?: string }).$ref;
  if (ref === undefined) return value as T;
  let node: unknown = document;
  for (const key of ref.slice(2).split("/")) node = (node as Record<string, unknown>)[key];
  return node as T;
}

/** Every operation of the document, with its references followed one step. */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, each]) => ({
    ...each,
    method: method.toUpperCase(),
    path,
    parameters: each.parameters.map((parameter) => resolved<Parameter>(parameter)),
    responses: Object.fromEntries(
      Object.entries(each.responses).map(([status, response]) => [status, resolved<Response>(response)]),
    ),
  })),
);

/** The fields that the JSON body of an operation takes. */
export function bodyFields(method: string, path: string): Record<string, Schema> {
  const operation = operations.find((each) => each.method === method && each.path === path);
  const schema = resolved<Schema>(operation?.requestBody?.content["application/json"]?.schema ?? {});
  if (!schema.properties) throw new Error(`${method} ${path} has no documented JSON body`);
  return schema.properties as Record<string, Schema>;
}

/** Whether a field takes any text: not ids, dates, states, and other fixed formats. */
export function isFreeText(field: Schema): boolean {
  const { type, format, pattern, enum: values, anyOf } = resolved<Schema>(field);
  if (anyOf) return (anyOf as Schema[]).some(isFreeText);
  return type === "string" && format === undefined && pattern === undefined && values === undefined;
}

const ajv = new Ajv2020({ strict: false, allErrors: false });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema(document, "api");
const validators = new Map<Schema, ValidateFunction>();

function validatorOf(schema: Schema): ValidateFunction {
  let validate = validators.get(schema);
  if (!validate) {
    validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as Schema);
    validators.set(schema, validate);
  }
  return validate;
}

// `/v1/patients/me` before `/v1/patients/{id}`: a literal wins over a parameter.
const matchers = [...operations]
  .sort((a, b) => a.path.split("{").length - b.path.split("{").length)
  .map((operation) => ({ operation, pattern: patternOf(operation.path) }));

function patternOf(template: string): RegExp {
  const escaped = template.replace(/[.$]/g, "\\$&");
  return new RegExp(`^${escaped.replace("{path}", ".+").replace(/\{\w+\}/g, "[^/]+")}$`);
}

/** The operation of a request; undefined when the document has none. */
export function operationOf(method: string, target: string): Operation | undefined {
  const wanted = method === "HEAD" ? "GET" : method;
  const [pathname = ""] = target.split("?");
  return matchers.find(({ operation, pattern }) => operation.method === wanted && pattern.test(pathname))
    ?.operation;
}

export interface AnswerSeen {
  status: number;
  headers: Headers;
  raw: Buffer;
}

/** How an answer differs from the document; nothing when they agree. */
export function faultsOf(method: string, target: string, answer: AnswerSeen): string[] {
  const faults: string[] = [];
  if (!answer.headers.get("x-request-id")) faults.push("there is no request id");
  const operation = operationOf(method, target);
  if (!operation) return faults;
  const documented = operation.responses[String(answer.status)];
  if (!documented) return [...faults, `${answer.status} is not documented`];
  const isTagged = documented.headers?.ETag !== undefined;
  if (isTagged !== answer.headers.has("etag"))
    faults.push(isTagged ? "there is no ETag" : "an ETag is not documented");
  if (method === "HEAD") return faults;
  if (!documented.content) {
    if (answer.raw.length > 0) faults.push("there is a body that is not documented");
    return faults;
  }
  const type = answer.headers.get("content-type") ?? "";
  const essence = (text: string) => text.split(";")[0];
  const content = Object.entries(documented.content).find(
    ([name]) => name === "*/*" || essence(name) === essence(type),
  );
  if (!content) return [...faults, `content type ${type} is not documented`];
  if (/^application\/([a-z.+-]+\+)?json/.test(type) && content[0] !== "*/*") {
    const validate = validatorOf(content[1].schema);
    if (!validate(JSON.parse(answer.raw.toString("utf8")))) {
      faults.push(`the body is not as documented: ${ajv.errorsText(validate.errors)}`);
    }
  }
  return faults;
}
