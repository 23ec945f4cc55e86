import { CURRENCIES, link, money, newId, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

const none = () => []

/** An approved order: the money comes with its capture. */
export const orderApproved = (world: World): Array<PayPalTold> => {
  const id = newId(world)
  const amount = money(decimal(world.cents(500)), world.pick(CURRENCIES))
  return [
    {
      eventType: "CHECKOUT.ORDER.APPROVED",
      resourceType: "checkout-order",
      resourceVersion: "2.0",
      summary: "An order has been approved by buyer",
      resource: {
        id,
        intent: "CAPTURE",
        status: "APPROVED",
        purchase_units: [
          {
            reference_id: world.hex(12),
            amount,
            payee: { email_address: `seller-${world.hex(8)}@example.com`, merchant_id: world.upper(13) },
            shipping: {
              method: "United Parcel Service",
              address: { country_code: "US", postal_code: "94107" }
            }
          }
        ],
        payer: {
          name: { given_name: "Test", surname: "Buyer" },
          email_address: `buyer-${world.hex(8)}@example.com`,
          payer_id: world.upper(13)
        },
        create_time: seconds(world.later()),
        links: [
          link(`/v2/checkout/orders/${id}`, "self"),
          link(`/v2/checkout/orders/${id}/capture`, "capture", "POST")
        ]
      },
      facts: none
    }
  ]
}

export const invoicePaid = (world: World): Array<PayPalTold> => {
  const id = `INV2-${world.upper(4)}-${world.upper(4)}-${world.upper(4)}-${world.upper(4)}`
  return [
    {
      eventType: "INVOICING.INVOICE.PAID",
      resourceType: "invoices",
      resourceVersion: "2.0",
      summary: "An invoice was paid",
      resource: {
        invoice: {
          id,
          status: "PAID",
          detail: {
            invoice_number: world.upper(8),
            currency_code: "USD",
            invoice_date: seconds(world.later()).slice(0, 10)
          },
          amount: money(decimal(world.cents(700)), "USD"),
          due_amount: money("0.00", "USD"),
          links: [link(`/v2/invoicing/invoices/${id}`, "self")]
        }
      },
      facts: none
    }
  ]
}

export const planCreated = (world: World): Array<PayPalTold> => {
  const id = `P-${world.upper(24)}`
  return [
    {
      eventType: "BILLING.PLAN.CREATED",
      resourceType: "plan",
      resourceVersion: "2.0",
      summary: "A billing plan was created",
      resource: {
        id,
        product_id: `PROD-${world.upper(16)}`,
        name: "Monthly",
        status: "ACTIVE",
        usage_type: "LICENSED",
        create_time: seconds(world.later()),
        links: [link(`/v1/billing/plans/${id}`, "self")]
      },
      facts: none
    }
  ]
}

/** A type that did not exist when the gate was written: it must pass all the same. */
export const unknownType = (world: World): Array<PayPalTold> => [
  {
    eventType: "CUSTOMER.LOYALTY.TIER-CHANGED",
    resourceType: "loyalty",
    summary: "The tier of a customer changed",
    resource: { id: newId(world), tier: world.pick(["silver", "gold"]), update_time: seconds(world.later()) },
    facts: none
  }
]
