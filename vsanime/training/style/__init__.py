"""AnimeGANv2: photographs and pictures of a style, no pairs of them, two networks that learn against each other."""
