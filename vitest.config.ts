import os from "node:os"
import { defaultServerConditions } from "vite"
import { defineConfig } from "vitest/config"

export default defineConfig({
  // `oncegate/domain` is the source here, and compiled only in the package.
  ssr: { resolve: { conditions: ["oncegate-source", ...defaultServerConditions] } },
  test: {
    include: ["test/**/*.test.ts"],
    // Tests use kafkajs too, and it warns on its own account.
    setupFiles: ["src/infra/kafka/KafkajsIdleTimer.ts"],
    globalSetup: ["test/support/globalSetup.ts"],
    // Processes, not threads: tests send signals, and adapters hold sockets that a thread would not give back.
    pool: "forks",
    // Most of them wait for a server or a process most of the time.
    maxWorkers: Math.max(2, os.availableParallelism() - 1),
    testTimeout: 30_000,
    // The first one to ask waits for the broker, with its download where it is not there yet.
    hookTimeout: 180_000
  }
})
