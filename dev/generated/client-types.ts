// TypeScript of openapi.json for libs/client. openapi-typescript would do it with the API of an
// older compiler, which TypeScript 7 no longer has: a second compiler to write a hundred lines of
// types. A keyword unknown here throws.

interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  contentMediaType?: string;
}
interface Parameter {
  $ref?: string;
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  schema: Schema;
}
type Content = Record<string, { schema: Schema }>;
interface Operation {
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, { content?: Content }>;
}
export interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    parameters: Record<string, Parameter>;
    responses: Record<string, unknown>;
  };
}

const HEADER = `// Made from openapi.json; \`npm test -- dev/generated -u\` writes it again.
`;
/** What is read as it comes, not as one value. */
const PARSED = /^(application\/([a-z.+-]+\+)?json|text\/plain)/;

/** The source of libs/client/src/schema.ts. Throws for a schema that it has no words for. */
export function clientTypes(document: ApiDocument): string {
  const { schemas, parameters, responses } = document.components;
  const operations = Object.entries(document.paths)
    .filter(([path]) => path !== "/docs")
    .flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        key: `${method.toUpperCase()} ${path}`,
        ...operation,
        parameters: operation.parameters.map(
          (each) => (each.$ref ? parameters[nameOf(each.$ref)] : each) as Parameter,
        ),
      })),
    );
  const named = (test: (operation: (typeof operations)[number]) => boolean) =>
    operations.filter(test).map(({ key }) => JSON.stringify(key));
  const isIdempotent = (each: { parameters: Parameter[] }) =>
    each.parameters.some(({ name }) => name === "Idempotency-Key");
  const isStreamed = (each: Operation) => dataOf(each) === STREAM;
  const isForm = (each: Operation) => bodyType(each) === "multipart/form-data";
  const codes = [...new Set(Object.keys(responses).flatMap((name) => name.split(".")))].sort();
  return [
    HEADER,
    ...Object.entries(schemas).map(([name, schema]) => `export type ${name} = ${typeOf(schema)};`),
    `\n/** Every \`code\` of a problem. */\nexport type ProblemCode = ${codes.map((code) => JSON.stringify(code)).join(" | ")};\n`,
    `/** What each operation takes and gives, by method and path. */\nexport interface Operations {`,
    ...operations.map((operation) => `  ${JSON.stringify(operation.key)}: ${operationType(operation)};`),
    "}\n",
    set(
      "IDEMPOTENT",
      "They take an `Idempotency-Key`: sent again under the same one, they happen once.",
      named(isIdempotent),
    ),
    set("STREAMED", "Their answers are bytes, to be read as they come.", named(isStreamed)),
    set("FORMS", "Their bodies are multipart/form-data.", named(isForm)),
  ].join("\n");
}

const STREAM = "ReadableStream<Uint8Array<ArrayBuffer>>";

const set = (name: string, why: string, keys: string[]) =>
  `/** ${why} */\nexport const ${name}: ReadonlySet<string> = new Set([${keys.join(", ")}]);\n`;

function operationType(operation: Operation): string {
  const group = (place: Parameter["in"]) => {
    const own = operation.parameters.filter((parameter) => parameter.in === place);
    return `{ ${own.map((each) => `${property(each.name, each.required ?? false)}: ${typeOf(each.schema)}`).join("; ")} }`;
  };
  const { requestBody } = operation;
  const body = requestBody ? typeOf(Object.values(requestBody.content)[0]?.schema ?? {}) : "undefined";
  return `{ path: ${group("path")}; query: ${group("query")}; headers: ${group("header")}; body: ${body}${requestBody?.required === false ? " | undefined" : ""}; data: ${dataOf(operation)} }`;
}

const bodyType = (operation: Operation) => Object.keys(operation.requestBody?.content ?? {})[0];

function dataOf(operation: Operation): string {
  const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
  const contents = successes.flatMap(([, { content = {} }]) => asked(content));
  if (contents.length === 0) return "undefined";
  if (contents.some(([type]) => !PARSED.test(type))) return STREAM;
  return [...new Set(contents.map(([, { schema }]) => typeOf(schema)))].join(" | ");
}

/** What the client asks for, of what a route answers: JSON, where there is that. */
function asked(content: Content): [string, { schema: Schema }][] {
  const all = Object.entries(content);
  const json = all.filter(([type]) => type === "application/json");
  return json.length > 0 ? json : all;
}

const nameOf = (ref: string) => ref.slice(ref.lastIndexOf("/") + 1);
const property = (name: string, required: boolean) => `${JSON.stringify(name)}${required ? "" : "?"}`;
const union = (parts: readonly string[]) => `(${parts.join(" | ")})`;

const SIMPLE: Readonly<Record<string, string>> = {
  string: "string",
  number: "number",
  integer: "number",
  boolean: "boolean",
  null: "null",
};

function typeOf(schema: Schema): string {
  if (schema.$ref) return nameOf(schema.$ref);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map((value) => JSON.stringify(value)));
  if (schema.anyOf ?? schema.oneOf) return union((schema.anyOf ?? schema.oneOf ?? []).map(typeOf));
  if (schema.allOf) return `(${schema.allOf.map(typeOf).join(" & ")})`;
  if (schema.contentMediaType === "application/octet-stream") return "Blob";
  if (schema.type === "array") return `${schema.items ? typeOf(schema.items) : "unknown"}[]`;
  if (schema.type === "object") return objectType(schema);
  if (schema.type === undefined) return "unknown";
  const simple = [schema.type].flat().map((type) => SIMPLE[type]);
  if (simple.includes(undefined)) throw new Error(`no type for ${JSON.stringify(schema)}`);
  return simple.length === 1 ? String(simple[0]) : union(simple as string[]);
}

function objectType({ properties = {}, required = [], additionalProperties }: Schema): string {
  const own = Object.entries(properties).map(
    ([name, schema]) => `${property(name, required.includes(name))}: ${typeOf(schema)}`,
  );
  const rest = typeof additionalProperties === "object" ? typeOf(additionalProperties) : "unknown";
  if (own.length === 0)
    return additionalProperties === false ? "Record<string, never>" : `Record<string, ${rest}>`;
  return `{ ${own.join("; ")} }`;
}
