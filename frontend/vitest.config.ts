import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { __VERSION__: JSON.stringify("1.2.3") },
  test: { include: ["test/**/*.test.{ts,mjs}"], environment: "happy-dom", restoreMocks: true },
});
