import { assert, describe, it } from "@effect/vitest"
import { urlRule } from "../../../src/infra/providers/PayPalCertificateUrl.ts"

const PATH = "/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406"
const live = urlRule("live", undefined)
const sandbox = urlRule("sandbox", undefined)

describe("PayPal certificate URL", () => {
  it("takes PayPal's own hosts", () => {
    for (const origin of [
      "https://api.paypal.com",
      "https://api-m.paypal.com",
      "https://api.paypal.com:443"
    ]) {
      assert.isTrue(live(origin + PATH), origin)
      assert.isTrue(sandbox(origin + PATH), "PayPal's webhook simulator signs with the live certificate")
    }
    assert.isTrue(sandbox(`https://api.sandbox.paypal.com${PATH}`))
    assert.isTrue(sandbox(`https://api-m.sandbox.paypal.com${PATH}`))
  })

  it("takes the path of the genuine sample of 2017 in the sandbox, and nowhere else", () => {
    assert.isTrue(sandbox("https://api.sandbox.paypal.com/v1/notifications/test"))
    assert.isFalse(sandbox("https://api.sandbox.paypal.com/v1/notifications/test/x"))
    assert.isFalse(sandbox("https://api.paypal.com/v1/notifications/test"))
    assert.isFalse(live("https://api.sandbox.paypal.com/v1/notifications/test"))
  })

  const refused: ReadonlyArray<readonly [name: string, url: string]> = [
    ["39 http", `http://api.paypal.com${PATH}`],
    ["40 a longer host", `https://api.paypal.com.evil.tld${PATH}`],
    ["41 the host as a path", `https://evil.tld/api.paypal.com${PATH}`],
    ["42 the host as user", `https://api.paypal.com@evil.tld${PATH}`],
    ["43 a user before the host", `https://evil@api.paypal.com${PATH}`],
    ["44 another port", `https://api.paypal.com:8443${PATH}`],
    ["45 an address inside", "https://169.254.169.254/latest/meta-data/"],
    ["46 a subdomain", `https://evil.api.paypal.com${PATH}`],
    ["47 a file", "file:///etc/passwd"],
    ["48 dots in the path", "https://api.paypal.com/v1/notifications/certs/../../x"],
    ["48 encoded dots in the path", "https://api.paypal.com/v1/notifications/certs/%2e%2e"],
    ["48 a backslash", "https://api.paypal.com\\@evil.tld/v1/notifications/certs/x"],
    ["49 a query", `https://api.paypal.com${PATH}?a=b`],
    ["49 a fragment", `https://api.paypal.com${PATH}#x`],
    ["50 a look-alike host", `https://api.p\u0430ypal.com${PATH}`],
    ["50 its punycode", `https://api.xn--pypal-4ve.com${PATH}`],
    ["56 the sandbox in live", `https://api.sandbox.paypal.com${PATH}`],
    ["upper case", `https://API.PAYPAL.COM${PATH}`],
    ["a dot for any character", `https://apixpaypal.com${PATH}`],
    ["one more segment", `https://api.paypal.com${PATH}/x`],
    ["no segment", "https://api.paypal.com/v1/notifications/certs/"],
    ["another path", "https://api.paypal.com/v1/oauth2/token"],
    ["a space in front", ` https://api.paypal.com${PATH}`],
    ["a line break at the end", `https://api.paypal.com${PATH}\n`],
    ["no scheme", `//api.paypal.com${PATH}`],
    ["600 characters", `https://api.paypal.com/v1/notifications/certs/${"x".repeat(600)}`]
  ]
  for (const [name, url] of refused) {
    it(`refuses ${name}`, () => assert.isFalse(live(url)))
  }

  it("takes the given origin in place of PayPal's hosts", () => {
    const rule = urlRule("simulated", "http://127.0.0.1:4711")
    assert.isTrue(rule(`http://127.0.0.1:4711${PATH}`))
    assert.isFalse(rule(`http://127.0.0.1:47110${PATH}`))
    assert.isFalse(rule(`https://api.paypal.com${PATH}`))
    assert.isFalse(urlRule("simulated", undefined)(`https://api.paypal.com${PATH}`))
  })
})
