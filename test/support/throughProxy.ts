// Imported by a process whose broker is to be met through a proxy. PROXY is `port:port`: connections to the first port,
// which the broker names as its own, are made to the second.
import net from "node:net"

const { PROXY } = process.env
if (PROXY !== undefined) {
  const [broker, proxy] = PROXY.split(":").map(Number) as [number, number]
  const direct = net.connect
  net.connect = ((options: net.TcpNetConnectOpts, onConnect?: () => void) =>
    direct(
      { ...options, port: options.port === broker ? proxy : options.port },
      onConnect
    )) as typeof net.connect
}
