import { X509Certificate } from "node:crypto"
import { assert, beforeAll, describe, it } from "vitest"
import { makeChain, SIGNER_NAME, type SigningChain } from "../../../src/infra/simulator/Certificates.ts"

describe("the simulator's certificates", () => {
  const now = Date.UTC(2026, 5, 1, 12, 30, 15)
  let chain: SigningChain
  let root: X509Certificate
  let intermediate: X509Certificate
  let leaf: X509Certificate

  beforeAll(async () => {
    chain = await makeChain(now)
    const [first = "", second = ""] = chain.caPem.match(/-----BEGIN[\s\S]+?END CERTIFICATE-----/g) ?? []
    root = new X509Certificate(first)
    intermediate = new X509Certificate(second)
    leaf = new X509Certificate(chain.leafPem)
  })

  it("form a chain from the leaf to a root of their own", () => {
    assert.isTrue(leaf.checkIssued(intermediate))
    assert.isTrue(leaf.verify(intermediate.publicKey))
    assert.isTrue(intermediate.checkIssued(root))
    assert.isTrue(intermediate.verify(root.publicKey))
    assert.isTrue(root.verify(root.publicKey))
    assert.isFalse(leaf.verify(root.publicKey))
  })

  it("let only the authorities issue", () => {
    assert.deepEqual([root.ca, intermediate.ca, leaf.ca], [true, true, false])
  })

  it("bear the name of PayPal's sandbox signer", () => {
    assert.strictEqual(leaf.checkHost(SIGNER_NAME), SIGNER_NAME)
    assert.include(leaf.subject, `CN=${SIGNER_NAME}`)
    assert.isUndefined(leaf.checkHost("messageverificationcerts.paypal.com"))
  })

  it("are valid for two years, from a day ago", () => {
    assert.strictEqual(Date.parse(leaf.validFrom), now - 86_400_000)
    assert.strictEqual(Date.parse(leaf.validTo), now + 730 * 86_400_000)
    assert.strictEqual(chain.notAfter, now + 730 * 86_400_000)
  })
})
