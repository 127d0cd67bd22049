import { DEFAULT_PERMISSIONS, newId, PERMISSIONS, ROLES } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness, PASSWORD } from "../../test/harness.ts";
import { listRoles } from "./role.store.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

interface RoleBody {
  role: string;
  permissions: string[];
  version: number;
}

test("the migration seeds what the contracts say", async () => {
  const roles = await listRoles(h.ctx.pool);
  expect(roles.map(({ role }) => role)).toEqual(ROLES);
  for (const { role, permissions, version } of roles) {
    expect(permissions.toSorted()).toEqual([...DEFAULT_PERMISSIONS[role]].sort());
    expect(version).toBeGreaterThanOrEqual(1); // later migrations that add permissions raise it
  }
});

test("an admin changes what a role may do: version, event, and Redis before the answer", async () => {
  const { api } = await h.client(await h.person("admin"));
  const permissions = [
    ...DEFAULT_PERMISSIONS.doctor.filter((p) => p !== "claim:write:assigned"),
    "audit:read:own",
  ];
  const { items } = (await api.get<{ items: RoleBody[] }>("/v1/roles")).body;
  const version = (items.find(({ role }) => role === "doctor")?.version ?? 0) + 1;
  await h.events();
  const changed = await api.put<RoleBody>("/v1/roles/doctor/permissions", { permissions });
  expect(changed).toMatchObject({ status: 200, body: { role: "doctor", version } });
  expect(changed.body.permissions.toSorted()).toEqual(permissions.toSorted());
  expect(await h.redis.client.get("pv:doctor")).toBe(String(version));
  expect((await h.redis.client.get("scope:doctor"))?.split(" ").sort()).toEqual(permissions.toSorted());
  expect(await h.events()).toMatchObject([
    {
      type: "medvault.auth.role.changed.v1",
      subject: "role/doctor",
      data: { fields: ["+audit:read:own", "-claim:write:assigned"], details: { version } },
    },
  ]);
  const { tokens } = await h.client(await h.person("doctor"));
  expect(tokens.scope.split(" ")).toContain("audit:read:own");
});

test("a guest is given what is safe for anyone and nothing else; what is taken is gone for the next one", async () => {
  const { api } = await h.client(await h.person("admin"));
  const put = (permissions: string[]) => api.put("/v1/roles/guest/permissions", { permissions });
  const { forGuests } = (await api.get<{ forGuests: string[] }>("/v1/roles")).body;
  expect(forGuests).toEqual(["account:register:own", "audit:proof:any"]);
  const before = await h.redis.client.get("scope:guest");
  for (const unsafe of PERMISSIONS.filter((one) => !forGuests.includes(one))) {
    const answer = await put(["account:register:own", unsafe]);
    expect(answer, unsafe).toMatchObject({ status: 409, body: { code: "role_protected" } });
  }
  expect(await h.redis.client.get("scope:guest")).toBe(before);
  const register = () => {
    const name = `guest-${newId().slice(-12)}`;
    const body = { username: name, email: `${name}@home.example`, password: PASSWORD };
    return h.guest().post<{ code?: string; detail: string }>("/v1/auth/register", body);
  };
  expect((await register()).status).toBe(201);
  expect(await put(["audit:proof:any"])).toMatchObject({
    status: 200,
    body: { permissions: ["audit:proof:any"] },
  });
  expect(await h.redis.client.get("scope:guest")).toBe("audit:proof:any");
  expect(await register()).toMatchObject({
    status: 403,
    body: { code: "forbidden", detail: expect.stringContaining("invitation") },
  });
  expect((await put([])).status).toBe(200);
  expect((await register()).status).toBe(403);
  expect((await put(["account:register:own"])).status).toBe(200);
  expect((await register()).status).toBe(201);
});

test("guests get nothing of anybody, admins keep the way back, unknown permissions and roles are refused", async () => {
  const { api } = await h.client(await h.person("admin"));
  const put = (role: string, permissions: string[]) =>
    api.put(`/v1/roles/${role}/permissions`, { permissions });
  expect(await put("guest", ["user:read:any"])).toMatchObject({
    status: 409,
    body: { code: "role_protected" },
  });
  const withoutRoles = DEFAULT_PERMISSIONS.admin.filter((p) => p !== "role:write:any");
  expect((await put("admin", [...withoutRoles])).status).toBe(409);
  const set = await put("patient", ["record:read:own"]);
  expect(set.status).toBe(200);
  const path = "/v1/roles/patient/permissions";
  const [permissions, seen] = [{ permissions: ["record:read:own"] }, set.headers.get("etag") ?? ""];
  expect((await api.put(path, permissions, { headers: { "if-match": seen } })).status).toBe(200);
  expect(await api.put(path, permissions, { headers: { "if-match": seen } })).toMatchObject({
    status: 412,
    body: { code: "version_conflict" },
  });
  const { api: patient, tokens } = await h.client(await h.person("patient"));
  expect((await patient.get("/v1/auth/me")).status).toBe(403);
  expect((await patient.post("/v1/auth/logout")).status).toBe(204); // whatever is taken away, this is not
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
  expect((await put("doctor", ["session:introspect:any"])).status).toBe(400);
  expect((await put("doctor", ["everything"])).status).toBe(400);
  expect((await put("nobody", [...DEFAULT_PERMISSIONS.patient])).status).toBe(404);
});

test("who is refused to change a role's permissions is named in an event about that role", async () => {
  const { api } = await h.client(await h.person("doctor"));
  await h.events();
  expect((await api.put("/v1/roles/doctor/permissions", { permissions: [] })).status).toBe(403);
  expect(await h.events()).toMatchObject([{ subject: "role/doctor", data: { outcome: "denied" } }]);
});
