import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    // Processes, not threads: tests send signals, and adapters hold sockets that a thread would not give back.
    pool: "forks",
    testTimeout: 30_000,
    // The first one to ask waits for the broker, with its download where it is not there yet.
    hookTimeout: 180_000
  }
})
