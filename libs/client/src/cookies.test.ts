import { expect, test } from "vitest";
import { CookieJar } from "./cookies.ts";

const setting = (...lines: string[]) => {
  const headers = new Headers();
  for (const line of lines) headers.append("set-cookie", line);
  return headers;
};
const BOUND = "Path=/; Secure; HttpOnly; SameSite=Strict";

test("cookies that are bound to their host are kept until they end, and given back together", () => {
  const jar = new CookieJar();
  jar.take(
    setting(
      `__Host-a=1=1; ${BOUND}; Max-Age=60`,
      `__Host-b=2; ${BOUND}; Expires=Fri, 01 Jan 2100 00:00:00 GMT`,
    ),
  );
  expect(jar.header()).toBe("__Host-a=1=1; __Host-b=2");
  jar.take(setting(`__Host-a=; ${BOUND}; Max-Age=0`, `__Host-b=3; ${BOUND}`));
  expect(jar.header()).toBe("__Host-b=3");
  jar.take(setting(`__Host-b=3; ${BOUND}; Expires=Thu, 01 Jan 1970 00:00:00 GMT`));
  expect(jar.header()).toBeNull();
});

test("a cookie that another host or a plain connection could see is not kept, nor are more than twenty", () => {
  const jar = new CookieJar();
  jar.take(
    setting(
      `session=1; ${BOUND}`,
      "__Host-a=1; Path=/",
      "__Host-b=1; Secure; Path=/v1",
      `__Host-c=1; ${BOUND}; Domain=example.org`,
      "__Host-d",
    ),
  );
  expect(jar.header()).toBeNull();
  jar.take(setting(...Array.from({ length: 30 }, (_, i) => `__Host-${i}=1; ${BOUND}`)));
  expect(jar.header()?.split("; ")).toHaveLength(20);
});
