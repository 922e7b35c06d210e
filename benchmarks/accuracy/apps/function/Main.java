import java.util.function.Function;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;

/** One function, served over HTTP. */
@EnableAutoConfiguration
public class Main {
    public static void main(String[] words) {
        SpringApplication.run(Main.class, words);
    }

    @Bean
    public Function<String, String> upper() {
        return text -> text.toUpperCase();
    }
}
