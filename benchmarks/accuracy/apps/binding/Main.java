import java.io.File;
import org.apache.catalina.startup.Tomcat;

/** Tomcat with one web application, whose classes have a loader of their own. */
public class Main {
    public static void main(String[] words) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(new File("work").getAbsolutePath());
        tomcat.setPort(Integer.parseInt(words[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        tomcat.addWebapp("", new File("web").getAbsolutePath());
        tomcat.start();
        tomcat.getServer().await();
    }
}
