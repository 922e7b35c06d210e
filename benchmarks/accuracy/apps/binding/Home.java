import org.springframework.stereotype.Controller;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.ResponseBody;

/** A page that binds its parameters to an object. */
@Controller
public class Home {
    /** What is bound. */
    public static class Visitor {
        private String name = "nobody";

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }
    }

    @RequestMapping("/")
    @ResponseBody
    public String home(Visitor visitor) {
        return "Home";
    }
}
