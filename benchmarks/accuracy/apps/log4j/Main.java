import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/** Greets, and logs who came. */
public class Main {
    public static void main(String[] words) throws Exception {
        Logger log = LogManager.getRootLogger();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])), 0);
        server.createContext("/", exchange -> {
            log.error("visitor with {}", exchange.getRequestHeaders().getFirst("User-Agent"));
            byte[] page = "<h1>Hello</h1>".getBytes();
            exchange.sendResponseHeaders(200, page.length);
            exchange.getResponseBody().write(page);
            exchange.close();
        });
        server.start();
    }
}
