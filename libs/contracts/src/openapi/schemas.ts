import { z } from "zod";

export type Json = Record<string, unknown>;
type Io = "input" | "output";

const DEFS = /"#\/\$defs\/([^"]+)"/g;

/**
 * Schemas for a document in which the named ones stand once, under `components`. A schema that some
 * answer shows and that reads otherwise as input (defaults, unknown fields) gets a second
 * component, `<name>Input`, for that.
 */
export function namedSchemas(named: Readonly<Record<string, unknown>>, answers: readonly z.ZodType[]) {
  const registry = z.registry<{ id: string }>();
  const schemas = new Map<string, z.ZodType>();
  for (const [name, value] of Object.entries(named)) {
    if (!(value instanceof z.ZodType) || registry.has(value)) continue;
    registry.add(value, { id: name });
    schemas.set(name, value);
  }
  const convert = (schema: z.ZodType, io: Io): { json: Json; defs: Record<string, Json> } => {
    const {
      $schema: _dialect,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, {
      io,
      metadata: registry,
      unrepresentable: "any",
      override: ({ zodSchema, jsonSchema }) => {
        Object.assign(jsonSchema, z.globalRegistry.get(zodSchema as unknown as z.ZodType));
      },
    }) as Json;
    return { json, defs: $defs as Record<string, Json> };
  };
  const bodies = { input: new Map<string, Json>(), output: new Map<string, Json>() };
  for (const io of ["input", "output"] as const) {
    for (const schema of schemas.values()) {
      for (const [name, body] of Object.entries(convert(schema, io).defs)) bodies[io].set(name, body);
    }
  }
  const twofold = namesThatDiffer(bodies);
  const shown = new Set(answers.flatMap((schema) => Object.keys(convert(schema, "output").defs)));
  const componentOf = (name: string, io: Io) =>
    io === "input" && twofold.has(name) && shown.has(name) ? `${name}Input` : name;
  const point = (json: Json, io: Io): Json =>
    JSON.parse(
      JSON.stringify(json).replace(
        DEFS,
        (_, name: string) => `"#/components/schemas/${componentOf(name, io)}"`,
      ),
    ) as Json;
  const components = new Map<string, Json>();
  const collect = (json: Json, io: Io): void => {
    for (const [, name = ""] of JSON.stringify(json).matchAll(DEFS)) {
      const component = componentOf(name, io);
      const body = bodies[io].get(name);
      if (!body || components.has(component)) continue;
      components.set(component, point(body, io));
      collect(body, io);
    }
  };
  return {
    /** The schema as a document has it: a reference where it is a named one. */
    use(schema: z.ZodType, io: Io): Json {
      const { json } = convert(schema, io);
      collect(json, io);
      return point(json, io);
    },
    /** As `use`, but never a mere reference: what a named schema holds itself. */
    expand(schema: z.ZodType, io: Io): Json {
      const { json, defs } = convert(schema, io);
      const name = /^#\/\$defs\/(.+)$/.exec(String(json.$ref))?.[1];
      const body = (name === undefined ? undefined : defs[name]) ?? json;
      collect(body, io);
      return point(body, io);
    },
    /** The components that were used, by name. */
    used: (): Json => Object.fromEntries([...components].sort(([a], [b]) => a.localeCompare(b))),
  };
}

export type NamedSchemas = ReturnType<typeof namedSchemas>;

/** The names whose input differs from their output, themselves or by what they refer to. */
function namesThatDiffer(bodies: Record<Io, Map<string, Json>>): Set<string> {
  const differ = new Set<string>();
  for (const [name, output] of bodies.output) {
    if (JSON.stringify(output) !== JSON.stringify(bodies.input.get(name))) differ.add(name);
  }
  for (let before = -1; before !== differ.size; ) {
    before = differ.size;
    for (const [name, output] of bodies.output) {
      const refers = [...JSON.stringify(output).matchAll(DEFS)].some(([, to = ""]) => differ.has(to));
      if (refers) differ.add(name);
    }
  }
  return differ;
}
