import { createHmac, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import { type Answer, basicAuth, json } from "./Answer.ts"
import type { Deposits } from "./Deposits.ts"
import type { Identity } from "./Identity.ts"

const VALID_SECONDS = 32_400

const refused = (status: number, name: string, message: string) =>
  json(status, { name, message, debug_id: "0000000000000", links: [] })

/** A token needs no memory: it is still good after a restart, as PayPal's own is. */
const tokens = (identity: Identity) => {
  const sealOf = (expires: string) =>
    createHmac("sha256", identity.clientSecret).update(`access token ${expires}`).digest("base64url")
  return {
    issue: () => {
      const expires = String(Math.floor(Date.now() / 1000) + VALID_SECONDS)
      return `A21AA.${expires}.${sealOf(expires)}`
    },
    accepts: (token: string) => {
      const [kind, expires = "", seal = ""] = token.split(".")
      const wanted = Buffer.from(sealOf(expires))
      const given = Buffer.from(seal)
      return (
        kind === "A21AA" &&
        given.length === wanted.length &&
        timingSafeEqual(given, wanted) &&
        Number(expires) * 1000 > Date.now()
      )
    }
  }
}

/** PayPal's certificate endpoint, OAuth 2 and event look-up. */
export const make = (identity: Identity, deposits: Deposits) => {
  const { accepts, issue } = tokens(identity)

  const token = (request: IncomingMessage, body: string): Answer => {
    const given = basicAuth(request)
    if (given?.user !== identity.clientId || given.password !== identity.clientSecret)
      return json(401, { error: "invalid_client", error_description: "Client Authentication failed" })
    if (new URLSearchParams(body).get("grant_type") !== "client_credentials")
      return json(400, { error: "unsupported_grant_type", error_description: "Grant Type is NULL" })
    return json(200, {
      scope: "https://uri.paypal.com/services/applications/webhooks",
      access_token: issue(),
      token_type: "Bearer",
      app_id: "APP-80W284485P519543T",
      expires_in: VALID_SECONDS
    })
  }

  return (request: IncomingMessage, path: string, body: Buffer): Answer => {
    if (request.method === "GET" && path === `/v1/notifications/certs/${identity.certificateId}`)
      return { status: 200, body: identity.leafPem, type: "application/x-pem-file" }
    if (request.method === "POST" && path === "/v1/oauth2/token") return token(request, body.toString("utf8"))

    const event = /^\/v1\/notifications\/webhooks-events\/([^/]+)$/.exec(path)
    if (request.method === "GET" && event !== null) {
      const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")
      if (bearer === null || !accepts(bearer[1]!))
        return json(401, { error: "invalid_token", error_description: "Token signature verification failed" })
      const known = deposits.event(decodeURIComponent(event[1]!))
      return known === undefined
        ? refused(404, "INVALID_RESOURCE_ID", "The requested resource ID was not found.")
        : { status: 200, body: known }
    }
    return refused(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.")
  }
}
