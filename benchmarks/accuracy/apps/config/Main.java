import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.cloud.config.server.EnableConfigServer;

/** A configuration server that reads a folder. */
@EnableAutoConfiguration
@EnableConfigServer
public class Main {
    public static void main(String[] words) {
        SpringApplication.run(Main.class, words);
    }
}
